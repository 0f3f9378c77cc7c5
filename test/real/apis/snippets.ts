import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../support/processes/start-process.ts'

/** What a page of docs/apis/ says about one stack, as its reader would copy it. */
export interface Snippet {
  /** The settings of Portico: the block below `.env`. */
  settings: Record<string, string>
  /** Files of the API, by their name on the page. */
  files: Record<string, string>
  /** The lines of the block `sh`: the last one runs the API, the others come before it. */
  commands: string[]
}

export const pagesFolder = join(root, 'docs/apis')

/**
 * Reads what a page says in these sections, by their headings; the text above the first section belongs to
 * all of them. Without sections, the whole page.
 */
export const readSnippet = (page: string, sections?: readonly string[]): Snippet =>
  parseSnippet(readFileSync(join(pagesFolder, page), 'utf8'), sections)

/**
 * Finds the blocks of a page. A file is a fenced block below a line that ends with its name: "`main.go`:".
 * Where sections contradict each other, the last one counts.
 */
export function parseSnippet(page: string, sections?: readonly string[]): Snippet {
  const [top = '', ...rest] = page.split(/^## /m)
  const found = sections?.map((heading) => {
    const text = rest.find((part) => part.startsWith(`${heading}\n`))
    if (text === undefined) throw new Error(`there is no section "${heading}"`)
    return text
  })
  const parts = [top, ...(found ?? rest)].map(parseBlocks)
  return {
    settings: Object.assign({}, ...parts.map(({ settings }) => settings)),
    files: Object.assign({}, ...parts.map(({ files }) => files)),
    commands: parts.findLast(({ commands }) => commands.length > 0)?.commands ?? [],
  }
}

function parseBlocks(text: string): Snippet {
  const named = [...text.matchAll(/`([\w./-]*\.\w+)`:\n\n```\w*\n(.*?)^```$/gms)]
  const { '.env': settings = '', ...files } = Object.fromEntries(
    named.map(([, name = '', content = '']) => [name, content]),
  )
  const commands = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = '']) => toLines(block))
  return { settings: Object.fromEntries(toLines(settings).map(toSetting)), files, commands }
}

const toLines = (block: string) => block.split('\n').filter((line) => line !== '' && !line.startsWith('#'))

function toSetting(line: string): [string, string] {
  const [setting = ''] = line.split(' #')
  const at = setting.indexOf('=')
  return [setting.slice(0, at), setting.slice(at + 1).trim()]
}

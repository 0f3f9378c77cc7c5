import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { pagesFolder, parseSnippet, readSnippet } from '../real/apis/snippets.ts'
import { notRun, stacks } from '../real/apis/stacks.ts'

const read = (page: string) => readFileSync(join(pagesFolder, page), 'utf8')
/** Pages of docs/apis/ with files to copy; the others only describe. */
const pages = readdirSync(pagesFolder).filter((page) => Object.keys(readSnippet(page).files).length > 0)

describe('docs/apis', () => {
  test('npm run test:apis runs every page with a snippet, or the page says that nothing does', () => {
    const run = new Set(stacks.map(({ page }) => page))
    expect([...run, ...notRun].sort()).toEqual([...pages].sort())
    for (const page of notRun) expect(read(page)).toContain('**Not run.**')
  })

  test.each(pages)('every file on %s is one that runs', (page) => {
    const headings = [...read(page).matchAll(/^## (.+)$/gm)].map(([, heading = '']) => heading)
    const onPage = [[], ...headings.map((heading) => [heading])].flatMap((sections) =>
      Object.entries(readSnippet(page, sections).files),
    )
    const runs = stacks
      .filter((stack) => stack.page === page)
      .map(({ sections }) => readSnippet(page, sections).files)
    for (const [name, content] of notRun.includes(page) ? [] : onPage) {
      expect([name, runs.some((files) => files[name] === content)]).toEqual([name, true])
    }
  })

  test.each(stacks)(
    '$page says what $name needs: settings, files, commands',
    ({ page, sections, places }) => {
      const { settings, files, commands } = readSnippet(page, sections)
      expect(settings).toMatchObject({
        PUBLIC_URL: 'https://app.example.com',
        APP_TOKEN_AUDIENCE: 'https://orders.example.com',
      })
      expect(Object.keys(files)).not.toHaveLength(0)
      expect(commands).not.toHaveLength(0)
      expect(Object.keys(readSnippet(page).files)).toEqual(expect.arrayContaining(Object.keys(places ?? {})))
    },
  )

  test('each page is in one of the two tables of stacks', () => {
    const tables = read('README.md') + read('other-stacks.md')
    const missing = readdirSync(pagesFolder).filter((page) => !tables.includes(`](${page})`))
    expect(missing).toEqual([])
  })
})

test('of two sections, the last one counts, with what stands above all of them', () => {
  const block = (name: string, language: string, text: string) =>
    `\`${name}\`:\n\n\`\`\`${language}\n${text}\n\`\`\`\n`
  const page = [
    `# Page\n${block('.env', 'ini', 'A=1 # why\nB=1')}`,
    `## One\n${block('main.go', 'go', 'one')}\n\`\`\`sh\ngo run .\n\`\`\`\n`,
    `## Two\n${block('.env', 'ini', 'B=2')}${block('main.go', 'go', 'two')}`,
    `## Three\n${block('main.go', 'go', 'three')}`,
  ].join('\n')
  expect(parseSnippet(page, ['One', 'Two'])).toEqual({
    settings: { A: '1', B: '2' },
    files: { 'main.go': 'two\n' },
    commands: ['go run .'],
  })
  expect(() => parseSnippet(page, ['Four'])).toThrow('Four')
})

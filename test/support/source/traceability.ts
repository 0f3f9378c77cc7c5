import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../../..')

/** The documents that list the ids of requirements and faults, one in each row of their tables. */
export const documents = ['docs/requirements.md', 'docs/faults.md'] as const

/** A row of a document. */
export interface Row {
  id: string
  /** Whether it is below the heading "Not built yet". */
  isBuilt: boolean
}

/** What looks like an id, such as R31 or F34; `%F0` is a byte of a URL. */
const id = /(?<![\w%])[RF][1-9]\d?(?!\w)/g
const row = /^\| ([RF]\d+) \| .* \|$/
const notBuilt = '## Not built yet'

/** Reads a file of the repository. */
export const read = (file: string): string => readFileSync(join(root, file), 'utf8')

const filesBelow = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    // The peers of the bench have packages of their own.
    .filter((name) => /\.(ts|js|md)$/.test(name) && !name.includes('node_modules/'))
    .map((name) => `${folder}/${name}`)
    .sort()

/** The rows of a document, in their order. */
export function readRows(document: string): Row[] {
  const [built = '', later = ''] = document.split(notBuilt)
  const rowsOf = (text: string, isBuilt: boolean) =>
    text.split('\n').flatMap((line): Row[] => {
      const found = row.exec(line)?.[1]
      return found === undefined ? [] : [{ id: found, isBuilt }]
    })
  return [...rowsOf(built, true), ...rowsOf(later, false)]
}

/** The files that have each id, in names, comments or prose; those that list the ids are left out. */
export function findIds(): Map<string, string[]> {
  const folders = ['test', 'src', 'bench', 'demo', 'docs']
  const files = [...folders.flatMap(filesBelow), 'README.md', 'CONTRIBUTING.md', 'SECURITY.md']
  const found = new Map<string, string[]>()
  for (const file of files) {
    if ((documents as readonly string[]).includes(file)) continue
    for (const used of new Set(read(file).match(id))) found.set(used, [...(found.get(used) ?? []), file])
  }
  return found
}

/** Whether a file holds tests. Those that every store has to pass are in `test/contract/store.ts`. */
export const isTest = (file: string): boolean =>
  /^test\/.*\.test\.ts$/.test(file) || file === 'test/contract/store.ts'

/** The document with the tests that have each of its ids, in the last column of its tables. */
export function writeTests(document: string, used: ReadonlyMap<string, readonly string[]>): string {
  const [built = '', ...later] = document.split(notBuilt)
  const lines = built.split('\n').map((line) => {
    const found = row.exec(line)?.[1]
    if (found === undefined) return line
    const links = (used.get(found) ?? [])
      .filter(isTest)
      .map((file) => `[${file.replace(/^test\/|(\.test)?\.ts$/g, '')}](../${file})`)
    return `${line.split(' | ').slice(0, -1).join(' | ')} | ${links.join(', ')} |`
  })
  return [lines.join('\n'), ...later].join(notBuilt)
}

if (import.meta.main) {
  const used = findIds()
  for (const file of documents) writeFileSync(join(root, file), writeTests(read(file), used))
}

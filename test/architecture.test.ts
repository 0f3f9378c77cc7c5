import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseTypeScript, walk } from './support/source/syntax.ts'

const root = resolve(import.meta.dirname, '..')
const source = join(root, 'src')

const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .sort()
const read = (file: string) => readFileSync(join(source, file), 'utf8')

/** The browser client, which people install without the server. */
const client = join(root, 'client')
const clientFiles = readdirSync(client, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.tsx?$/.test(name))
  .sort()
/** All code that ships: each file with its text. */
const shipped = [
  ...files.map((file) => ({ file: `src/${file}`, text: read(file) })),
  ...clientFiles.map((file) => ({ file: `client/${file}`, text: readFileSync(join(client, file), 'utf8') })),
]

/** The modules a file names in import and export-from statements. */
const importsOf = (file: string): string[] => namesIn(read(file))
const namesIn = (text: string): string[] =>
  [
    ...text.matchAll(
      /^(?:import|export)\s[^'";]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gms,
    ),
  ].map((match) => match[1] ?? match[2] ?? match[3] ?? '')

/** The layers, top to bottom; the folders of one line are beside each other. */
const layers = [
  ['main'],
  ['cli'],
  ['workers', 'doctor', 'portico'],
  ['service'],
  ['routes'],
  ['endpoints', 'operator-endpoints'],
  ['components'],
  ['http'],
  ['login', 'logout', 'proxy', 'verify', 'explain'],
  ['redirects', 'app-token'],
  ['session'],
  ['provider'],
  ['jwks', 'config', 'crypto'],
  ['expiring-map', 'telemetry', 'errors', 'advice', 'lifecycle', 'embedding'],
  ['clock'],
]
const folderOf = (file: string) => file.split('/')[0]?.replace(/\.ts$/, '') ?? ''
const layerOf = (folder: string) => layers.findIndex((folders) => folders.includes(folder))

/** Types cost nothing at run time. */
const typeOnly = /^import type /

test('every file under src/ is in a layer', () => {
  for (const file of files) expect([file, layerOf(folderOf(file))]).not.toEqual([file, -1])
})

/** The files of this tree that a file imports, types included. */
const neighboursOf = (file: string): string[] =>
  importsOf(file)
    .filter((target) => target.startsWith('.'))
    .map((target) => relative(source, resolve(dirname(join(source, file)), target)))

test('no import runs upwards', () => {
  for (const file of files) {
    for (const target of neighboursOf(file)) {
      const [from, to] = [layerOf(folderOf(file)), layerOf(folderOf(target))]
      expect(to, `${file} imports ${target}`).toBeGreaterThanOrEqual(from)
    }
  }
})

test('no imports run in a circle, not by types either', () => {
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]) => {
    expect(path.includes(file), [...path, file].join(' imports ')).toBe(false)
    if (done.has(file)) return
    for (const target of neighboursOf(file)) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
  expect(done.size).toBe(files.length)
})

test('no folder holds more than a dozen files', () => {
  const counts = new Map<string, number>()
  for (const { file } of shipped) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1)
  expect([...counts].filter(([, count]) => count > 12)).toEqual([])
})

describe('words', () => {
  /** Words that a reader has to look up, or that say less than they seem to. */
  const puzzling =
    /\b(nobody|somebody|anybody|whoever|anew|twins?|tells?|told|to be had|of ours|BCL|BBA|BCP)\b/i

  test('every comment and text is in plain words (CONTRIBUTING.md)', () => {
    const found = shipped.flatMap(({ file, text }) =>
      text
        .split('\n')
        .flatMap((line, index) => (puzzling.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
    )
    expect(found).toEqual([])
  })

  test('no comment is wider than the code', () => {
    const wide = shipped.flatMap(({ file, text }) =>
      text
        .split('\n')
        .flatMap((line, index) =>
          /^\s*(\/\/|\/?\*)/.test(line) && line.length > 110 ? [`${file}:${index + 1}`] : [],
        ),
    )
    expect(wide).toEqual([])
  })
})

describe('only some may know', () => {
  test.each<[string, RegExp, RegExp]>([
    ['process.env', /process\.env/, /^config\//],
    [
      'Express',
      /from '(express|express-session|express-rate-limit|helmet|cors|cookie|cookie-signature)'/,
      /^(http\/|routes\.ts|endpoints\.ts|proxy\/headers\/cookies\.ts)/,
    ],
    ['openid-client', /from 'openid-client'/, /^provider\//],
    ['node-redis', /from '@redis\/client'/, /^session\/redis\/connection\/deployment\.ts$/],
    ['jose', /from 'jose'/, /^(provider|jwks|app-token|verify)\//],
    ['pino', /from 'pino'/, /^telemetry\//],
    ['prom-client', /'prom-client'/, /^telemetry\/metrics\//],
    ['OpenTelemetry', /'@opentelemetry\//, /^telemetry\/tracing\//],
    ['pino-pretty', /'pino-pretty'/, /^telemetry\/pretty\.ts$/],
    ['dotenv', /from 'dotenv'/, /^config\//],
    ['yaml', /'yaml'/, /^config\/proxy\/routes-file\.ts$/],
    ['the console', /\bconsole\.\w+\(/, /^$/],
  ])('%s', (_name, pattern, allowed) => {
    const knowing = files.filter((file) => pattern.test(read(file)))
    expect(knowing.filter((file) => !allowed.test(file))).toEqual([])
  })

  test('the provider file and its neighbours know it at all: the patterns above match something', () => {
    expect(files.some((file) => /from 'openid-client'/.test(read(file)))).toBe(true)
    expect(importsOf('endpoints.ts').length).toBeGreaterThan(20)
  })
})

test('no address of this server is written with the default of API_PREFIX, which may be another', () => {
  const withDefault = /(?<![\w/])\/api(?![\w.-])/
  // The default itself, and what says that it is the default.
  const places = /^(src\/config\/settings|src\/embedding\/options|client\/portico|client\/types)\.ts$/
  const found = shipped
    .filter(({ file }) => !places.test(file))
    .flatMap(({ file, text }) =>
      text
        .split('\n')
        .flatMap((line, index) => (withDefault.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
    )
  expect(found).toEqual([])
})

test('nothing under src/ imports the demo or the tests', () => {
  for (const file of files) {
    for (const target of importsOf(file)) {
      expect([file, target]).not.toEqual([file, expect.stringMatching(/demo\/|test\//)])
    }
  }
})

/** The files of src/ and the modules that are loaded with a file: `import()` loads when it is called. */
function loadedWith(file: string): { files: Set<string>; modules: Set<string> } {
  const files = new Set<string>()
  const modules = new Set<string>()
  const visit = (file: string) => {
    if (files.has(file)) return
    files.add(file)
    for (const statement of read(file).match(/^(?:import|export)\s[^'";]*?from\s+'[^']+'/gms) ?? []) {
      const target = statement.split("'")[1] ?? ''
      if (typeOnly.test(statement)) continue
      if (target.startsWith('.')) visit(relative(source, resolve(dirname(join(source, file)), target)))
      else modules.add(target)
    }
  }
  visit(file)
  return { files, modules }
}

test('what resource servers import stays light: no server library', () => {
  const { files, modules } = loadedWith('verify/verify.ts')
  for (const module of modules) expect(module).toMatch(/^(jose$|node:)/)
  expect(files.size).toBeGreaterThan(2)
  // An API must not throw the server's own errors.
  expect([...files]).not.toContain('errors.ts')
})

test('a process loads only what it needs: a primary no server, and a server node-redis and OpenTelemetry only where it uses them', () => {
  const { files: ofPrimary } = loadedWith('cli/commands/serve.ts')
  expect([...ofPrimary]).toContain('workers.ts')
  expect(
    [...ofPrimary].filter((file) => /^(service|routes|components|doctor|provider|http)\b/.test(file)),
  ).toEqual([])
  const { files: ofServer, modules } = loadedWith('service/server.ts')
  expect([...ofServer]).toContain('session/memory/store.ts')
  expect([...ofServer].filter((file) => /^doctor\//.test(file))).toEqual([])
  expect([...modules]).toContain('express')
  expect([...modules]).not.toContain('@redis/client')
  expect([...modules]).not.toContain('prom-client')
  expect([...modules].filter((module) => module.startsWith('@opentelemetry/'))).toEqual([])
  expect([...modules]).not.toContain('pino-pretty')
})

test('the check of Node’s version runs on any Node: nothing that could fail there is loaded before it', () => {
  const { files, modules } = loadedWith('main.ts')
  expect([...files].sort()).toEqual([
    'cli/exit-codes.ts',
    'cli/node-version.ts',
    'main.ts',
    'telemetry/version.ts',
  ])
  expect([...modules]).toEqual(['node:fs'])
})

test('help and version load no library and no command', () => {
  const { files, modules } = loadedWith('cli/cli.ts')
  for (const module of modules) expect(module).toMatch(/^node:/)
  for (const file of files)
    expect(file).toMatch(/^(cli\/[\w-]+|config\/names\/similar-name|telemetry\/version)\.ts$/)
})

test('the browser client imports nothing of the server, and brings no library but the proofs of DPoP', () => {
  // What is in react/ is a package of its own, and uses the client as any other package does.
  const allowed = (file: string) => (file.startsWith('react/') ? /^(react|@portico-bff\/client)$/ : /^dpop$/)
  for (const file of clientFiles) {
    const home = file.startsWith('react/') ? join(client, 'react') : client
    for (const target of namesIn(readFileSync(join(client, file), 'utf8'))) {
      if (target.startsWith('.')) expect(resolve(dirname(join(client, file)), target)).toContain(`${home}/`)
      else expect(target, `client/${file}`).toMatch(allowed(file))
    }
  }
  expect(clientFiles).toContain('portico.ts')
})

test('files are small enough to read', () => {
  for (const { file, text } of shipped) expect([file, text.split('\n').length > 250]).toEqual([file, false])
})

test('functions are short enough to read, those that create a part included', () => {
  const long = files.flatMap((file) =>
    [...walk(parseTypeScript(read(file)))].flatMap(({ type, loc }) => {
      const lines = loc == null ? 0 : loc.end.line - loc.start.line + 1
      return /Function/.test(type) && lines > 100 ? [`${file}:${loc?.start.line} has ${lines} lines`] : []
    }),
  )
  expect(long).toEqual([])
})

test('no work that cannot be done yet is left in the tree', () => {
  for (const { file, text } of shipped) {
    expect([file, /\b(TODO|FIXME|XXX)\b/.test(text)]).toEqual([file, false])
  }
})

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import manifest from '../package.json' with { type: 'json' }
import { type RouteMember, routeMembers } from '../src/config/proxy/route-members.ts'
import type { Setting } from '../src/config/setting.ts'
import { settings } from '../src/config/settings.ts'
import { errorCodes } from '../src/errors.ts'
import { catalogue } from '../src/telemetry/metrics/catalogue.ts'
import { createPackagedDocument } from './support/openapi/write.ts'

const root = resolve(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const readme = read('README.md')
const configuration = read('docs/configuration.md')
/** What the addresses of the repository's files begin with. */
const blobs = manifest.homepage.replace('#readme', '/blob/main/')

/** Every document, by its path from the root. */
const documents = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
  'examples/README.md',
  'examples/forward-auth/README.md',
  'packages/client/README.md',
  'packages/react/README.md',
  'packages/verify/README.md',
].sort()

const inCode = new Map(Object.entries(settings as Record<string, Setting<unknown>>))
const toDefault = ({ fallback, required }: Setting<unknown>) => (required ? 'required' : (fallback ?? ''))

const settingRows = [...configuration.matchAll(/^\| `([A-Z][A-Z0-9_]+)` \|(.*?)\|/gm)].map(
  ([, name = '', given = '']) => [name, given.replaceAll('`', '').trim()],
)

describe('settings', () => {
  test('docs/configuration.md has every setting of the code once, with its default, and no other', () => {
    expect(Object.fromEntries(settingRows)).toEqual(
      Object.fromEntries([...inCode].map(([name, setting]) => [name, toDefault(setting)])),
    )
    expect(settingRows).toHaveLength(inCode.size)
  })

  test('.env.example has every setting of the code, with its default, and no other', () => {
    const lines = [...read('.env.example').matchAll(/^#?([A-Z][A-Z0-9_]+)=(.*)$/gm)]
    expect(lines.map(([, name]) => name).sort()).toEqual([...inCode.keys()].sort())
    for (const [line, name = '', value] of lines) {
      if (line.startsWith('#')) expect([name, value]).toEqual([name, inCode.get(name)?.fallback ?? ''])
    }
  })

  test('docs/configuration.md names the secrets that may come from a file', () => {
    const secret = [...inCode].filter(([, setting]) => setting.secret).map(([name]) => name)
    const named = /A secret `X`\s\(([^)]+)\)/.exec(configuration)?.[1]?.split(/,\s/)
    expect(named?.sort()).toEqual(secret.sort())
  })

  test('every example and every default would be accepted', () => {
    for (const [name, { parse, example, fallback, secret }] of inCode) {
      if (fallback !== undefined) expect([name, parse.safeParse(fallback).success]).toEqual([name, true])
      if (!secret) expect([name, parse.safeParse(example).success]).toEqual([name, true])
    }
  })
})

test('docs/configuration.md has every member of a proxy route once, with its default, and no other', () => {
  const [, section = ''] = configuration.split('### Proxy routes')
  const [table = ''] = section.split('\n## ')
  const rows = [...table.matchAll(/^\| `(\w+)` \| (.*?) ?\|/gm)].map(([, name = '', given = '']) => [
    name,
    given,
  ])
  const toCell = ({ parse, fallback }: RouteMember<unknown>) => {
    if (fallback === undefined) return parse.safeParse(undefined).success ? '' : 'required'
    return `\`${typeof fallback === 'string' ? fallback : JSON.stringify(fallback)}\``
  }
  expect(rows).toEqual(Object.entries(routeMembers).map(([name, member]) => [name, toCell(member)]))
})

describe('endpoints', () => {
  // Health is on both ports.
  const inCode = read('src/routes.ts').replaceAll(/\$\{api\}/g, '/api')
  // What begins other addresses ends with a slash or an asterisk.
  const quoted = [...inCode.matchAll(/'(\/[^']+)'|`(\/[^`*$]+[^`*/])`/g)]
  const routes = [...new Set(quoted.map(([, fixed, belowPrefix = '']) => fixed ?? belowPrefix))].sort()
  const named = (text: string) => {
    const paths = [...text.matchAll(/(?:GET|POST|DELETE) (\/[a-z./:-]+)/g)].map(([, path = '']) => path)
    return [...new Set(paths)].filter((path) =>
      /^\/(api|livez|metrics|operator|readyz|\.well-known)/.test(path),
    )
  }

  test('the table of docs/http-api.md has every route of routes.ts and no other', () => {
    const [table = ''] = read('docs/http-api.md').split('## Signing in')
    expect(named(table).sort()).toEqual(routes)
    expect(named(read('docs/http-api.md')).sort()).toEqual(routes)
  })

  test('docs/openapi.json has every route of routes.ts and no other, without those of the operator', () => {
    const { paths } = createPackagedDocument()
    // Below these, an address is written by what other servers have there.
    const fixed = Object.keys(paths).filter((path) => !/^\/api\/(proxy|forward-auth)\/\{/.test(path))
    const ofOperators = /^\/(operator\/|metrics)/
    expect(fixed.map((path) => path.replaceAll(/\{(\w+)\}/g, ':$1')).sort()).toEqual(
      routes.filter((path) => !ofOperators.test(path)),
    )
  })

  test.each(documents)('%s names no endpoint that does not exist', (file) => {
    expect(routes).toEqual(expect.arrayContaining(named(read(file))))
  })
})

test('docs/http-api.md has every error code with its status, and no other', () => {
  const inDocs = [...read('docs/http-api.md').matchAll(/^\| `([a-z_]+)` \| (\d{3}) \|/gm)].map(
    ([, code, status]) => `${code} ${status}`,
  )
  const inSource = [...read('src/errors.ts').matchAll(/^ {2}([a-z_]+): \{\s*status: (\d{3})/gm)].map(
    ([, code, status]) => `${code} ${status}`,
  )
  expect(inSource.length).toBeGreaterThan(20)
  expect(inDocs.sort()).toEqual(inSource.sort())
})

test('docs/openapi.json is what `npm run docs:openapi` writes, and the package has it as portico-bff/openapi.json', () => {
  expect(createRequire(import.meta.url)('portico-bff/openapi.json')).toEqual(
    JSON.parse(JSON.stringify(createPackagedDocument())),
  )
})

test('docs/openapi.json has every error code where it may come, but those of operators and of the dev server', () => {
  const { paths, components } = createPackagedDocument()
  const inResponses = JSON.stringify([paths, components.responses, components.schemas?.LogoutTokenError])
  const missing = errorCodes.filter((code) => !new RegExp(`"enum":\\[[^\\]]*"${code}"`).test(inResponses))
  expect(missing).toEqual(['conflict', 'dev_server_unavailable'])
})

test('docs/metrics.md has every metric with its type, its labels and what it says, and no other', () => {
  const [table = ''] = read('docs/metrics.md').split('## Values of labels')
  const rows = [...table.matchAll(/^\| `(portico_\w+)` \| (\w+) \|(.*?)\| (.+) \|$/gm)].map(
    ([, name = '', type, labels = '', help]) => [
      name,
      { type, labels: labels.replaceAll(/[` ]/g, ''), help },
    ],
  )
  expect(rows).toEqual(
    Object.entries(catalogue).map(([name, { type, labels, help }]) => [
      name,
      { type, labels: labels.join(','), help },
    ]),
  )
})

test('docs/operations.md has every event of the log with its level, and no other', () => {
  const levels = [...read('src/telemetry/events.ts').matchAll(/^ {2}(\w+): '(debug|info|warn|error)',$/gm)]
  const inSource = new Map(levels.map(([, event = '', level = '']) => [event, level]))
  const log = read('docs/operations.md').split('## The log')[1] ?? ''
  const inDocs = [...log.matchAll(/^\| (`.+?) \| ([a-z, ]+) \|/gm)].flatMap(([, events = '', given = '']) =>
    [...events.matchAll(/`(\w+)`/g)].map(([, event = '']) => ({ event, levels: given.split(', ') })),
  )
  expect(inDocs.map(({ event }) => event).sort()).toEqual([...inSource.keys()].sort())
  for (const { event, levels: given } of inDocs)
    expect([event, given]).toEqual([event, expect.arrayContaining([inSource.get(event)])])
})

test('docs/troubleshooting.md quotes codes, events and messages as they are in the code', () => {
  const [symptoms = ''] = read('docs/troubleshooting.md').split('## Why could this user not sign in?')
  const source = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => read(`src/${name}`))
    .join('\n')
  const codes = [...symptoms.matchAll(/`([a-z]+(?:_[a-z]+)+)`|^### (?:.*: )?\d{3} (\w+)$/gm)]
  const named = codes.map(([, inText, inHeading]) => inText ?? inHeading ?? '')
  expect(named.length).toBeGreaterThan(10)
  expect(named.filter((code) => !new RegExp(`\\b${code}\\b`).test(source))).toEqual([])
  // Where a message has a part of its own each time, the quote has dots.
  const quotes = [...symptoms.matchAll(/"([^"]+)"/g)].flatMap(([, quote = '']) =>
    quote.split('...').map((part) => part.replaceAll(/\s+/g, ' ').trim()),
  )
  expect(quotes.length).toBeGreaterThan(10)
  expect(quotes.filter((quote) => !source.includes(quote))).toEqual([])
})

test('docs/runbook.md says of each section what tried its steps, or that nothing did', () => {
  const [, ...sections] = read('docs/runbook.md').split(/^## /m)
  expect(sections.length).toBeGreaterThan(10)
  const untried = sections.filter((text) => !/^(Tried by|Measured by|Not tried by a test): /m.test(text))
  expect(untried.map((text) => text.split('\n')[0])).toEqual([])
})

/** The anchor that GitHub gives a heading. */
const toAnchor = (heading: string) =>
  heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')

const anchorsOf = (file: string) =>
  [...read(file).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => toAnchor(heading))

describe.each(documents)('%s', (file) => {
  const text = read(file)

  test('links to files and headings that exist', () => {
    for (const [, inText, inHtml = ''] of text.matchAll(/\]\(([^)]+)\)|(?:src|srcset)="([^"]+)"/g)) {
      const address = inText ?? inHtml
      const [path = '', anchor] = address.split('#')
      // What npm shows of a package in packages/ names the repository in full.
      const inRepository = path.startsWith(blobs)
      if (path.startsWith('https:') && !inRepository) continue
      const from = inRepository ? root : resolve(root, dirname(file))
      const target = path === '' ? file : relative(root, resolve(from, path.replace(blobs, '')))
      expect([address, existsSync(join(root, target))]).toEqual([address, true])
      if (anchor !== undefined) expect(anchorsOf(target)).toContain(anchor)
    }
  })

  test('names files that exist', () => {
    // In docs/, a path with a folder but without `src/` is one of src/.
    const folders = readdirSync(join(root, 'src'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
    for (const [, path = ''] of text.matchAll(/`([\w.-]+\/[\w./-]+)`/g)) {
      const [first = ''] = path.split('/')
      if (['src', 'test', 'demo', 'docs', 'bench', '.github'].includes(first))
        expect([path, existsSync(join(root, path))]).toEqual([path, true])
      else if (folders.includes(first))
        expect([path, existsSync(join(root, 'src', path))]).toEqual([path, true])
    }
  })

  test('has plain words, in lines of 120 characters at most outside of tables', () => {
    const puzzling =
      /\b(nobody|somebody|anybody|everybody|whoever|whomever|anew|twins?|tells?|told|to be had|of ours|persons?|BCL|BBA|BCP)\b/i
    const lines = text.split('\n').map((line, index) => ({ line, number: index + 1 }))
    expect(lines.filter(({ line }) => puzzling.test(line))).toEqual([])
    expect(lines.filter(({ line }) => line.length > 120 && !line.startsWith('|'))).toEqual([])
  })
})

test('the README says first what Portico is and how to see it, in fewer than 900 words', () => {
  expect(readme).toMatch(
    /^# Portico\n\nPortico is a (.+\n){1,3}\n```\nnpm ci && npm run demo .*\nnpm ci && npm test .*\n```\n/,
  )
  expect(readme.split(/\s+/).length).toBeLessThan(900)
})

test('the commands of the README are scripts that exist, and CI runs its checks', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const named = documents.flatMap((file) =>
    [...read(file).matchAll(/\bnpm (?:run )?(demo|start|test\b(?!:)|check|[a-z]+:[a-z-]+)/g)].map(
      ([, script = '']) => script,
    ),
  )
  expect(Object.keys(scripts)).toEqual(expect.arrayContaining([...new Set(named)]))
  expect(named.length).toBeGreaterThan(10)
  expect(read('.ci/run')).toMatch(/^npm ci\nnpm run check\nnpm test$/m)
  expect(read('.github/workflows/ci.yml')).toMatch(/^ +- run: \.ci\/run$/m)
})

test('the map in docs/architecture.md has every folder and file of src/, and no other', () => {
  const [, map = ''] = /^src\/\n([\s\S]+?)```/m.exec(read('docs/architecture.md')) ?? []
  const named = [...map.matchAll(/^ {2}([\w-]+(?:\/|\.ts))/gm)].map(([, name = '']) => name)
  const folders = readdirSync(join(root, 'src'), { withFileTypes: true })
  const existing = folders.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
  expect(named.sort()).toEqual(existing.sort())
})

test('every decision is in the index, under its number', () => {
  const files = readdirSync(join(root, 'docs/decisions')).filter((name) => /^\d{4}-/.test(name))
  const index = [...read('docs/decisions/README.md').matchAll(/^\| (\d+) \| \[(.+)\]\((.+)\) \|/gm)]
  expect(index.map(([, , , file]) => file)).toEqual(files.sort())
  for (const [, number = '', title = '', file = ''] of index) {
    expect([file, Number(file.slice(0, 4))]).toEqual([file, Number(number)])
    expect(read(`docs/decisions/${file}`).split('\n')[0]).toBe(`# ${number}. ${title}`)
  }
})

test('the tree holds no registry host and no machine path', () => {
  expect(read('package-lock.json')).not.toMatch(/"resolved": "(?!packages\/)|registry\./)
  const others = ['Dockerfile', '.ci/run', '.npmrc', 'package.json', '.github/workflows/ci.yml']
  const manifests = ['client', 'react', 'verify'].map((name) => `packages/${name}/package.json`)
  for (const file of [...documents, ...others, ...manifests]) {
    expect([file, /registry\.npmjs|\/root\/|\/work\/|\/home\//.test(read(file))]).toEqual([file, false])
  }
})

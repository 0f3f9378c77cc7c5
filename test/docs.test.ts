import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Setting, settings } from '../src/config/settings.ts'

const root = resolve(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const readme = read('README.md')

const inCode = new Map(Object.entries(settings as Record<string, Setting<unknown>>))
const toDefault = ({ fallback, required }: Setting<unknown>) => (required ? 'required' : (fallback ?? ''))

const settingRows = new Map(
  [...readme.matchAll(/^\| `([A-Z][A-Z0-9_]+)` \|(.*?)\|/gm)].map(([, name = '', given = '']) => [
    name,
    given.replaceAll('`', '').trim(),
  ]),
)

describe('settings', () => {
  test("the README's table has every setting of the code, with its default, and no other", () => {
    expect(Object.fromEntries(settingRows)).toEqual(
      Object.fromEntries([...inCode].map(([name, setting]) => [name, toDefault(setting)])),
    )
  })

  test('.env.example has every setting of the code, with its default, and no other', () => {
    const lines = [...read('.env.example').matchAll(/^#?([A-Z][A-Z0-9_]+)=(.*)$/gm)]
    expect(lines.map(([, name]) => name).sort()).toEqual([...inCode.keys()].sort())
    for (const [line, name = '', value] of lines) {
      if (line.startsWith('#')) expect([name, value]).toEqual([name, inCode.get(name)?.fallback ?? ''])
    }
  })

  test('the README names the secrets that may come from a file', () => {
    const secret = [...inCode].filter(([, setting]) => setting.secret).map(([name]) => name)
    expect(/A secret `X` \(([^)]+)\)/.exec(readme)?.[1]?.split(', ').sort()).toEqual(secret.sort())
  })

  test('every example and every default would be accepted', () => {
    for (const [name, { parse, example, fallback, secret }] of inCode) {
      if (fallback !== undefined) expect([name, parse.safeParse(fallback).success]).toEqual([name, true])
      if (!secret) expect([name, parse.safeParse(example).success]).toEqual([name, true])
    }
  })
})

describe('endpoints', () => {
  const routes = [...read('src/routes.ts').matchAll(/'(\/[^']+)'/g)]
    .map(([, path = '']) => path)
    .filter((path) => path !== '/api')
    .sort()

  test.each(['README.md', 'docs/http-api.md'])('%s has every route of routes.ts and no other', (file) => {
    const told = new Set(
      [...read(file).matchAll(/(?:GET|POST|DELETE) (\/[a-z./:-]+)/g)].map(([, path = '']) => path),
    )
    const ours = [...told].filter((path) => /^\/(api|livez|operator|readyz|\.well-known)/.test(path))
    expect(ours.sort()).toEqual(routes)
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

test('docs/operations.md has every event of the log with its level, and no other', () => {
  const levels = [...read('src/telemetry/logger.ts').matchAll(/^ {2}(\w+): '(debug|info|warn|error)',$/gm)]
  const inSource = new Map(levels.map(([, event = '', level = '']) => [event, level]))
  const log = read('docs/operations.md').split('## The log')[1] ?? ''
  const inDocs = [...log.matchAll(/^\| (`.+?) \| ([a-z, ]+) \|/gm)].flatMap(([, events = '', told = '']) =>
    [...events.matchAll(/`(\w+)`/g)].map(([, event = '']) => ({ event, told: told.split(', ') })),
  )
  expect(inDocs.map(({ event }) => event).sort()).toEqual([...inSource.keys()].sort())
  for (const { event, told } of inDocs)
    expect([event, told]).toEqual([event, expect.arrayContaining([inSource.get(event)])])
})

test('every file that the documents name exists', () => {
  for (const file of [
    'README.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'CHANGELOG.md',
    'docs/architecture.md',
    'docs/http-api.md',
    'docs/operations.md',
    'docs/providers.md',
  ]) {
    const named = [...read(file).matchAll(/\]\(([\w./-]+)\)|`((?:src|test|demo|docs)\/[\w./-]+)`/g)].map(
      ([, link, path]) => link ?? path ?? '',
    )
    for (const path of named) {
      expect([
        file,
        path,
        existsSync(join(root, path.startsWith('docs/') || !file.startsWith('docs/') ? path : path)),
      ]).toEqual([file, path, true])
    }
  }
})

test("the README's first commands are the scripts that exist, and CI runs its second", () => {
  expect(readme).toMatch(/^# Portico\n\n```\nnpm ci && npm run demo .*\nnpm ci && npm test .*\n```/)
  expect(read('.ci/run')).toMatch(/^npm ci\nnpm run check\nnpm test$/m)
})

test('the tree holds no registry host and no machine path', () => {
  expect(read('package-lock.json')).not.toMatch(/"resolved"|registry\./)
  for (const file of ['README.md', 'Dockerfile', '.ci/run', '.npmrc', 'package.json']) {
    expect([file, /registry\.npmjs|\/root\/|\/work\/|\/home\//.test(read(file))]).toEqual([file, false])
  }
})

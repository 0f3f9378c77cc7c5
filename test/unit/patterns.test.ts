import { resolve } from 'node:path'
import { checkSync } from 'recheck'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { findPatterns, findPatternsIn, type Pattern } from '../support/source/patterns.ts'

// In this process, in JavaScript: no JVM, no binary.
vi.stubEnv('RECHECK_SYNC_BACKEND', 'pure')

/**
 * What the worst text costs, read off the automaton of the pattern: proven, not tried out and not timed. The limits are
 * high enough for every pattern here; one that no automaton can have (a back-reference, most look-arounds) is `unknown`.
 */
function toComplexity({ source, flags }: Pick<Pattern, 'source' | 'flags'>): string {
  const found = checkSync(source, flags, {
    checker: 'automaton',
    timeout: null,
    maxNFASize: 200_000,
    maxPatternSize: 10_000,
    maxRepeatCount: 1_000,
  })
  // `safe` is what recheck calls a bounded or constant cost.
  return found.status === 'unknown' ? found.status : found.complexity.type
}

const { patterns, made } = findPatterns(resolve(import.meta.dirname, '../../src'))

/** Patterns that are put together at run time, by the file that does it, as they come out. */
const madePatterns = {
  'http/route.ts': /^\/v1\.0\/auth\/proxy\//,
  'session/redis/connection/connection.ts': /^maxmemory_policy:(\S+)/m,
}

const all: Pattern[] = [
  ...patterns,
  ...Object.entries(madePatterns).map(([where, { source, flags }]) => ({ where, source, flags })),
]

describe('every regular expression takes linear time, whatever it meets', () => {
  const table: string[] = []
  afterAll(() => {
    if (process.env.PRINT_PATTERNS !== undefined) process.stdout.write(`${table.join('\n')}\n`)
  })

  test.each(all)('$where: $source', { timeout: 60_000 }, (pattern) => {
    const complexity = toComplexity(pattern)
    const written = `/${pattern.source.replaceAll('|', '\\|')}/${pattern.flags}`
    table.push(`| \`${written}\` | ${pattern.where} | ${complexity} |`)
    expect(['constant', 'linear', 'safe']).toContain(complexity)
  })

  test('and none is put together where this cannot see it', () => {
    expect(made).toEqual(Object.keys(madePatterns))
  })
})

describe('the measure tells them apart', () => {
  test.each([
    ['\\bVersion\\/\\S+ .*\\bSafari\\/', '', 'polynomial'],
    ['\\beyJ[\\w-]+\\.[\\w-]*(\\.[\\w-]*)*', 'g', 'polynomial'],
    ['\\s+$', '', 'polynomial'],
    ['^(a+)+$', '', 'exponential'],
    ['^(a*)\\1$', '', 'unknown'],
    ['^a+$', '', 'linear'],
  ])('/%s/%s: %s', (source, flags, complexity) => {
    expect(toComplexity({ source, flags })).toBe(complexity)
  })
})

describe('the search finds', () => {
  const found = (code: string) => findPatternsIn('x.ts', code)

  test('literals, wherever they stand, and nothing that only looks like one', () => {
    const code = `const a: RegExp = /a"/g // no /comment/
      const ratio = 4 / 2 / 1
      z.string().regex(/b/); text.split(/c/); text.replace(/d[/]/u, '/e/')
      const f = \`\${text.match(/f/)} /g/\``
    expect(found(code).patterns.map(({ source, flags, where }) => [source, flags, where])).toEqual([
      ['a"', 'g', 'x.ts:1'],
      ['b', '', 'x.ts:3'],
      ['c', '', 'x.ts:3'],
      ['d[/]', 'u', 'x.ts:3'],
      ['f', '', 'x.ts:4'],
    ])
    expect(found(code).made).toEqual([])
  })

  test.each([
    'new RegExp(text)',
    "RegExp('a')",
    "text.match('a')",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is code
    'text.search(`${a}`)',
    'z.email()',
    'z.iso.date()',
  ])('what makes a pattern out of a text: %s', (code) => {
    expect(found(code).made).toEqual(['x.ts'])
  })
})

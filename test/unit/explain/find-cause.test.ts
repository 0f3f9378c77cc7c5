import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { findCause, knownCauses } from '../../../src/explain/causes/find-cause.ts'

test('docs/troubleshooting.md has the codes of all causes, and no other', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/troubleshooting.md'), 'utf8')
  const [, table = ''] = text.split('## Causes')
  const cells = [...table.matchAll(/^\| (`.*?) \|/gm)].map(([, cell = '']) => cell)
  const documented = cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, code]) => code))
  expect(documented.sort()).toEqual([...new Set(knownCauses.map(({ code }) => code))].sort())
})

test('a failure of an unknown code or reason still gets an answer', () => {
  expect(findCause({ code: 'payload_too_large', reason: '' })).toEqual({
    cause: 'payload_too_large',
    remedy: expect.stringContaining('docs/http-api.md'),
  })
  expect(findCause({ code: 'constructor', reason: 'x' }).cause).toBe('constructor: x')
})

test('each code has a last cause that fits every reason, or only known ones', () => {
  for (const code of new Set(knownCauses.map((known) => known.code))) {
    const says = knownCauses.filter((known) => known.code === code).map((known) => known.says)
    expect([code, says.at(-1)]).toEqual([code, undefined])
    // Of two that fit every reason, the second one is never found.
    expect([code, says.filter((pattern) => pattern === undefined)]).toEqual([code, [undefined]])
  }
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readReturnTo } from '../../src/login/return-to.ts'

const own = 'https://app.example.com'
const spa = 'https://spa.example.com'
const read = (value: string) => readReturnTo(value, own, [own, spa])

describe('accepted', () => {
  test.each([
    ['/', '/'],
    ['/orders', '/orders'],
    ['/orders?page=2&next=https://evil.example', '/orders?page=2&next=https://evil.example'],
    ['/a#part', '/a#part'],
    ['/a/../b', '/b'],
    ['/apiary', '/apiary'],
    [`${own}/orders`, '/orders'],
    [`${spa}/orders?a=1#b`, `${spa}/orders?a=1#b`],
    [spa, `${spa}/`],
  ])('%s', (value, expected) => {
    expect(read(value)).toBe(expected)
  })
})

describe('refused (R7)', () => {
  test.each([
    '',
    // Escaped, it is four times as long.
    `/${'<'.repeat(1_499)}`,
    'orders',
    '//evil.example',
    '///evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    ' //evil.example',
    '/.//evil.example',
    '/x/..//evil.example',
    '/%2e//evil.example',
    'https:evil.example',
    'https:/evil.example',
    'https:///evil.example',
    'https://evil.example',
    'http://app.example.com/',
    'https://app.example.com.evil.example/',
    'https://app.example.com@evil.example/',
    'https://user:pass@app.example.com/',
    'https://evil.example\\@app.example.com/',
    'https://app.example.com:444/',
    'javascript:alert(1)',
    'JaVaScRiPt://app.example.com/%0aalert(1)',
    'data:text/html,x',
    'ftp://app.example.com/',
    '/caf\u00e9',
    '/\u2028/evil.example',
    '/api/login',
    '/api/callback?code=x',
    '/./api/login',
    `/${'a'.repeat(2_000)}`,
  ])('%j', (value) => {
    expect(read(value)).toBeUndefined()
  })
})

test('whatever comes in, what comes out stays on an allowed origin in every browser reading of it', () => {
  const piece = fc.constantFrom(
    '/',
    '\\',
    '.',
    '..',
    ':',
    '@',
    '#',
    '?',
    '%2f',
    '%5c',
    '\t',
    'https:',
    'http:',
    'evil.example',
    'app.example.com',
    'a',
    ' ',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const result = read(pieces.join(''))
      if (result === undefined) return
      expect([own, spa]).toContain(new URL(result, own).origin)
      expect(result).toMatch(/^(\/(?![/\\])|https:\/\/spa\.example\.com\/)/)
    }),
    { numRuns: 5_000 },
  )
})

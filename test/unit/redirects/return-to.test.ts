import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readReturnTo } from '../../../src/redirects/return-to.ts'
import { hostileAddress } from '../../support/hostile-address.ts'

const own = 'https://app.example.com'
const spa = 'https://spa.example.com'
const read = (value: string, apiUrl = `${own}/api`) =>
  readReturnTo(value, { apiUrl, allowedOrigins: [own, spa] })

describe('accepted', () => {
  test.each([
    ['/', '/'],
    ['/orders', '/orders'],
    ['/orders?page=2&next=https://evil.example', '/orders?page=2&next=https://evil.example'],
    ['/a#part', '/a#part'],
    ['/#/route/of/a/hash/router', '/#/route/of/a/hash/router'],
    ['/?', '/'],
    ['/a/../b', '/b'],
    ['/apiary', '/apiary'],
    [`${own}/orders`, '/orders'],
    ['HTTPS://APP.EXAMPLE.COM/orders', '/orders'],
    [`${spa}/orders?a=1#b`, `${spa}/orders?a=1#b`],
    [spa, `${spa}/`],
    [`${spa}//two/slashes`, `${spa}//two/slashes`],
    // Another spelling of an allowed origin leads to the allowed origin.
    ['https://\uff53pa.example\u3002com/x', `${spa}/x`],
  ])('%s', (value, expected) => {
    expect(read(value)).toBe(expected)
  })

  test.each([
    ['/caf\u00e9', '/caf%C3%A9'],
    ['/\u6771\u4eac/\ud83d\ude80?q=\u6771#\u4eac', '/%E6%9D%B1%E4%BA%AC/%F0%9F%9A%80?q=%E6%9D%B1#%E4%BA%AC'],
    ['/cafe\u0301', '/cafe%CC%81'],
    ['/\u05d0\u05d1?\u202ereversed', '/%D7%90%D7%91?%E2%80%AEreversed'],
    ['/\u2028/evil.example', '/%E2%80%A8/evil.example'],
    ['/\uff0fevil.example', '/%EF%BC%8Fevil.example'],
    ['/\ufeffa', '/%EF%BB%BFa'],
    ['/a b?c d#e f', '/a%20b?c%20d#e%20f'],
    ['/ /evil.example', '/%20/evil.example'],
    ['/a ', '/a%20'],
    ['/a?b= ', '/a?b=%20'],
    ['/a"b?c"d#e"f', '/a%22b?c%22d#e%22f'],
    ["/it's?it's#it's", "/it's?it%27s#it's"],
    ['/<b>?<b>#<b>', '/%3Cb%3E?%3Cb%3E#%3Cb%3E'],
    ['/{a}[b]?{a}[b]#{a}[b]', '/%7Ba%7D[b]?{a}[b]#{a}[b]'],
    ['/a?b\\c#d\\e', '/a?b%5Cc#d%5Ce'],
    ['/a#b\\c?d', '/a#b%5Cc?d'],
    ['/%5Cevil.example', '/%5Cevil.example'],
    ['/%2F%2fevil.example', '/%2F%2fevil.example'],
    ['/caf%C3%A9?a%20b', '/caf%C3%A9?a%20b'],
    ['/100%?100%#100%', '/100%?100%#100%'],
    [`${own}/caf\u00e9 au lait`, '/caf%C3%A9%20au%20lait'],
    [`${spa}/caf\u00e9?a b\\c`, `${spa}/caf%C3%A9?a%20b%5Cc`],
  ])('and percent-encoded: %j', (value, expected) => {
    expect(read(value)).toBe(expected)
  })

  test.each([
    ['a path', `/${'a'.repeat(1_999)}`],
    ['a path that grows threefold', `/${'"'.repeat(666)}`],
    ['a path that grows ninefold', `/${'\u6771'.repeat(222)}`],
    ['a query', `/?${'a'.repeat(1_998)}`],
    ['a fragment', `/#${'a'.repeat(1_998)}`],
    ['an address of ours, which does not count', `${own}/${'a'.repeat(1_999)}`],
    ['an allowed origin, which counts', `${spa}/${'a'.repeat(2_000 - spa.length - 1)}`],
  ])('up to 2,000 characters, and not one more: %s', (_what, value) => {
    expect(read(value)?.length).toBeGreaterThan(1_990)
    expect(read(value)?.length).toBeLessThanOrEqual(2_000)
    expect(read(`${value}${value.at(-1)}`)).toBeUndefined()
  })
})

describe('refused (R7)', () => {
  test.each([
    '',
    ' ',
    'orders',
    '?a=1',
    '#a',
    '//',
    '//evil.example',
    '//app.example.com/orders',
    '///evil.example',
    '///app.example.com/orders',
    '/\\evil.example',
    '/\\/evil.example',
    '\\/evil.example',
    '\\\\evil.example',
    '/a\\b',
    '/a\\..\\..\\/evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    '/\r\n/evil.example',
    '/a\r\nSet-Cookie: a=b',
    '/\0/evil.example',
    '/\u0085/evil.example',
    '/a\u007f',
    '/a?b\tc',
    '/a#b\n',
    'h\nttps://evil.example',
    ' //evil.example',
    ' /orders',
    '\u00a0/orders',
    '\u3000//evil.example',
    '\ufeff/orders',
    '/.//evil.example',
    '/x/..//evil.example',
    '/%2e//evil.example',
    '/%2E%2e//evil.example',
    '/..//evil.example',
    'https:evil.example',
    'https:/evil.example',
    'https:///evil.example',
    'https:app.example.com',
    'https:\\\\evil.example',
    'https://\\evil.example',
    'https://evil.example',
    'http://app.example.com/',
    'https://app.example.com.evil.example/',
    'https://app.example.com@evil.example/',
    'https://user:pass@app.example.com/',
    'https://@evil.example/',
    'https://evil.example\\@app.example.com/',
    'https://evil.example\\.app.example.com/',
    'https://app.example.com:444/',
    'https://app.example.com./',
    'https://app.example.com\uff0fevil.example/',
    'https://app.example.com\uff20evil.example/',
    'https://app.ex\u0430mple.com/',
    'https://evil.example\uff03.app.example.com/',
    'https://app example.com/',
    'https://app.example.com evil.example/',
    'https://',
    '\uff0f/evil.example',
    '\uff0f\uff0fevil.example',
    'javascript:alert(1)',
    'JaVaScRiPt://app.example.com/%0aalert(1)',
    'data:text/html,x',
    'ftp://app.example.com/',
    'wss://app.example.com/',
    'http\u017f://app.example.com/',
    '/\ud800',
    '/a?\udc00',
    '/api/login',
    '/api/callback?code=x',
    '/./api/login',
    '/x/../api/login',
    `${own}//evil.example`,
    `${own}/api/login`,
  ])('%j', (value) => {
    expect(read(value)).toBeUndefined()
  })
})

test('an address of another prefix of this server is refused, and /api is then one of the app', () => {
  const apiUrl = `${own}/shop/auth`
  expect(read('/shop/auth/login', apiUrl)).toBeUndefined()
  expect(read(`${own}/x/../shop/auth/callback`, apiUrl)).toBeUndefined()
  expect(read('/api/orders', apiUrl)).toBe('/api/orders')
  expect(read('/shop/authors', apiUrl)).toBe('/shop/authors')
  expect(read('/auth/login', apiUrl)).toBe('/auth/login')
})

test('whatever comes in, what comes out stays on an allowed origin in every browser reading of it', () => {
  let followed = 0
  fc.assert(
    fc.property(hostileAddress, (value) => {
      const result = read(value)
      if (result === undefined) return
      followed += 1
      expect([own, spa]).toContain(new URL(result, own).origin)
      expect(result).toMatch(/^(\/(?![/\\])|https:\/\/spa\.example\.com\/)/)
      // Printable ASCII without the backslash: the same bytes for every program on the way.
      expect(result).toMatch(/^[\x21-\x5b\x5d-\x7e]{1,2000}$/)
      // Read once more, as after a logout at the provider, it is the same.
      expect(read(result)).toBe(result)
    }),
    { numRuns: 20_000 },
  )
  expect(followed).toBeGreaterThan(1_000)
})

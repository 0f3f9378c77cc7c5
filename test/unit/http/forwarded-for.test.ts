import { describe, expect, test } from 'vitest'
import { normalizeForwardedFor } from '../../../src/http/wire/forwarded-for.ts'

describe('X-Forwarded-For is read whatever a proxy writes around its addresses', () => {
  test.each([
    ['198.51.100.7', '198.51.100.7'],
    ['198.51.100.7:4711', '198.51.100.7'],
    ['"198.51.100.7:4711"', '198.51.100.7'],
    ['2001:db8::7', '2001:db8::7'],
    ['2001:DB8:0:0:0:0:0:7', '2001:db8::7'],
    ['[2001:db8::7]', '2001:db8::7'],
    ['[2001:db8::7]:4711', '2001:db8::7'],
    ['"[2001:db8::7]:4711"', '2001:db8::7'],
    ['fe80::1%eth0', 'fe80::1'],
    ['[fe80::1%25eth0]:4711', 'fe80::1'],
    ['::ffff:198.51.100.7', '198.51.100.7'],
    ['[::ffff:c633:6407]:4711', '198.51.100.7'],
    ['203.0.113.9:1, 198.51.100.7:4711,10.0.0.1', '203.0.113.9, 198.51.100.7, 10.0.0.1'],
    ['198.51.100.7, ,', '198.51.100.7'],
  ])('%s', (value, plain) => {
    expect(normalizeForwardedFor(value)).toBe(plain)
  })
})

describe('what is no address is one word, so that it counts once', () => {
  test.each([
    'unknown',
    '_hidden',
    'for=198.51.100.7',
    '198.51.100.7:',
    '198.51.100.7:port',
    '198.51.100.7:123456',
    '198.51.100',
    '198.51.100.007',
    '0x7f.0.0.1',
    '2130706433',
    '999.51.100.7',
    '[198.51.100.7',
    '[]:4711',
    'example.com',
    '',
    ',',
  ])('%s', (value) => {
    expect(normalizeForwardedFor(value)).toBe('unknown')
  })
})

test('no more than the last twenty entries are read', () => {
  const many = Array.from({ length: 1_000 }, (_, index) => `10.0.${index >> 8}.${index & 255}`)
  expect(normalizeForwardedFor(many.join(','))).toBe(many.slice(-20).join(', '))
})

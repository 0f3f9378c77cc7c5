import { describe, expect, test } from 'vitest'
import type { SecretKind } from '../../support/canaries/files.ts'
import { search } from '../../support/canaries/search.ts'

/** The search at the end of a test run, on secrets that are planted here. */

const token = (start: string) => `${start}${'kX3v9-Tq7_'.repeat(4)}${start}`
const jwt = (content: string, signature: string) =>
  `eyJhbGciOiJFUzI1NiJ9.${Buffer.from(content).toString('base64url')}.${signature}`

const secrets: [SecretKind, string][] = [
  ['access token', jwt('{"sub":"ada","exp":1}', token('access'))],
  ['refresh token', token('refresh')],
  ['ID token', jwt('{"sub":"ada","exp":2}', token('identity'))],
  ['app token', jwt('{"sub":"ada","exp":3}', token('app'))],
  ['code', token('code')],
  ['code verifier', token('verifier')],
  ['state', token('state')],
  ['client secret', token('client')],
  ['client assertion', jwt('{"iss":"portico","exp":4}', token('assertion'))],
  ['private key', token('key')],
  ['master secret', token('master')],
  ['operator secret', token('operator')],
  ['forward-auth secret', token('forward')],
  ['Redis password', token('redis')],
  ['forward proxy password', token('outbound')],
  ['cookie', `${token('session')}.${token('signature')}%2B`],
]

const channels = [
  'log',
  'output of src/main.ts',
  'traces',
  'audit',
  'answer /metrics',
  'answer /operator/status',
  'answer /api/session',
  'headers /api/session',
]

/** Searches one text of a channel, beside a thousand others, for the secrets above. */
function searchText(channel: string, text: string) {
  const issued = secrets.map(([kind, secret]) => `S\t${kind}\t${secret}\n`).join('')
  const others = Array.from({ length: 1_000 }, (_, index) => `O\tlog\t{"line":${index}}\n`).join('')
  return search([
    Buffer.from(`${others}O\t${channel}\t${text}\n`, 'latin1'),
    // In the file of another process.
    Buffer.from(issued, 'latin1'),
  ])
}

const found = (channel: string, text: string) =>
  searchText(channel, text).leaks.map((leak) => `${leak.kind} in ${leak.channel}`)

describe.each(secrets)('a planted %s is found', (kind, secret) => {
  test.each(channels)('in %s', (channel) => {
    expect(found(channel, `{"event":"login_failed","reason":"it was ${secret}."}`)).toEqual([
      `${kind} in ${channel}`,
    ])
  })

  test('without a delimiter before it, percent-encoded, and as base64 in a longer text', () => {
    expect(found('log', `x${secret}x`)).toEqual([`${kind} in log`])
    expect(found('log', encodeURIComponent(secret))).toEqual([`${kind} in log`])
    for (const before of ['id:', 'user:', 'clients:']) {
      expect(found('log', Buffer.from(before + secret).toString('base64'))).toContain(`${kind} in log`)
    }
  })

  test('cut at its start or its end', () => {
    const part = kind === 'cookie' ? (secret.split('.')[0] ?? '') : secret.slice(secret.lastIndexOf('.') + 1)
    expect(found('log', part.slice(0, 20))).toEqual([`${kind} in log`])
    expect(found('log', part.slice(-20))).toEqual([`${kind} in log`])
  })
})

test('the payload of a token is found without its signature, and is not taken for that of another token', () => {
  const [, payload = ''] = secrets[0]?.[1].split('.') ?? []
  expect(found('log', payload)).toEqual(['access token in log'])
  expect(found('log', Buffer.from('{"sub":"eve","exp":1}').toString('base64url'))).toEqual([])
})

test('a secret is found only where it does not belong', () => {
  const [, appToken = ''] = secrets[3] ?? []
  expect(found('answer /api/token', `{"token":"${appToken}"}`)).toEqual([])
  expect(found('headers /api/token', appToken)).toEqual(['app token in headers /api/token'])
  const [, state = ''] = secrets[6] ?? []
  expect(found('answer /api/login', `https://idp.example.com/authorize?state=id.${state}`)).toEqual([])
  expect(found('answer /api/session', state)).toEqual(['state in answer /api/session'])
})

test('output without secrets has none, and says how much was searched', () => {
  const { leaks, secrets: count, searched } = searchText('log', '{"event":"login_succeeded"}')
  expect(leaks).toEqual([])
  expect(count).toBe(secrets.length)
  expect(searched).toBeGreaterThan(10_000)
})

import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createSealer, type Sealer } from '../../../src/crypto/sealer.ts'
import { packTokens, unpackTokens } from '../../../src/session/redis/packed-tokens.ts'
import { createSessionRecords } from '../../../src/session/redis/session-record.ts'
import { toRefreshTokens } from '../../../src/session/session.ts'
import { session } from '../../support/session-fixture.ts'

const sealer = createSealer([randomBytes(32)], 'session-at-rest')
const records = createSessionRecords(sealer)
const sealed = records.seal('h', session)
const toFields = ({ v = '3', x = '4 3 2 5', n = '3', i = sealed } = {}) => [
  Buffer.from(v),
  Buffer.from(x),
  Buffer.from(n),
  i,
  null,
]

test('a session opens as it was, with its times', () => {
  expect(records.open('h', toFields())).toEqual({
    ...session,
    handle: 'h',
    idleExpiresAt: 4,
    lastSeenAt: 3,
    createdAt: 2,
    absoluteExpiresAt: 5,
    tokensVersion: 3,
  })
})

test('a session with nothing but what is required opens as it was', () => {
  const { providerName, issuer, providerSub, claims, login } = session.identity
  const { fingerprint, returnTo, device, startedAt } = login
  const least = {
    identity: {
      ...{ providerName, issuer, providerSub, appSub: providerSub, claims },
      login: { fingerprint, returnTo, device, startedAt },
    },
    tokens: { accessToken: 'a', obtainedAt: 1, scope: [] },
  }
  expect(records.open('h', toFields({ i: records.seal('h', least) }))).toMatchObject(least)
})

test('a session of another format is not read, whatever its fields hold', () => {
  for (const v of ['1', '2', '4']) expect(records.open('h', toFields({ v }))).toBeUndefined()
})

test.each(['', 'garbage', '4 3 2', '4 3 2 x', '0 3 2 5'])(
  'times that are not times (%j) are not read',
  (x) => {
    expect(records.open('h', toFields({ x }))).toBeUndefined()
  },
)

test('each sealed value is bound to its session, its kind and its format', () => {
  const contexts: string[] = []
  const recording: Sealer = {
    ...sealer,
    seal(text, context) {
      contexts.push(context)
      return sealer.seal(text, context)
    },
    sealBytes(bytes, context) {
      contexts.push(context)
      return sealer.sealBytes(bytes, context)
    },
  }
  const { seal, sealInherited } = createSessionRecords(recording)
  for (const handle of ['h', 'other']) {
    seal(handle, session)
    sealInherited(handle, toRefreshTokens(session))
  }
  expect(new Set(contexts).size).toBe(4)
  expect(contexts.filter((context) => context.endsWith(' session 3'))).toHaveLength(2)
})

test('a pending revocation is opened only for its own handle', () => {
  const pending = { sealed, version: 3, inherited: '' }
  expect(records.openPendingRevocation('h', pending)).toEqual({ ...session, handle: 'h', version: 3 })
  expect(records.openPendingRevocation('other', pending)).toBeUndefined()
  expect(records.openPendingRevocation('h', { ...pending, sealed: Buffer.from('x') })).toBeUndefined()
})

describe('long tokens', () => {
  const jwt = ['{"alg":"none"}', '{"sub":"u"}', 'signature']
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.')
  test.each([
    ['a JWT', jwt],
    ['an encrypted JWT', `${jwt}.${jwt.slice(0, 4)}.`],
    ['an opaque one', 'ya29.a0-_~+/=='],
    ['not canonical base64url', `${jwt}.YR`],
    ['empty', ''],
    ['full of dots', '.'.repeat(300)],
    ['of other letters', 'zähler.žluť'],
  ])('come back as they were: %s', (_what, token) => {
    const dictionary = Buffer.from('{"sub":"u"}')
    for (const tokens of [
      [token, undefined],
      [undefined, token],
      [token, token],
    ]) {
      expect(unpackTokens(packTokens(tokens, dictionary), dictionary)).toEqual(tokens)
    }
  })
})

import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createSealer, type Sealer } from '../../../src/crypto/sealer.ts'
import { packTokens, unpackTokens } from '../../../src/session/redis/records/packed-tokens.ts'
import { createSessionRecords } from '../../../src/session/redis/records/session-record.ts'
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

describe('a session that was opened lately', () => {
  /** Records that count what they open. */
  function countOpening() {
    const opened: string[] = []
    const counting: Sealer = {
      ...sealer,
      openBytes(bytes, context) {
        opened.push(context.split(' ', 1)[0] ?? '')
        return sealer.openBytes(bytes, context)
      },
    }
    return { opened, open: createSessionRecords(counting).open }
  }

  test('is opened once, with the times and the version that its record has now', () => {
    const { opened, open } = countOpening()
    open('h', toFields())
    expect(open('h', toFields({ x: '9 8 2 9', n: '7', i: Buffer.from(sealed) }))).toMatchObject({
      ...session,
      lastSeenAt: 8,
      tokensVersion: 7,
    })
    expect(opened).toEqual(['h'])
  })

  test('is opened again once it was written again, and never stands for another one', () => {
    const { opened, open } = countOpening()
    open('h', toFields())
    const tokens = { ...session.tokens, accessToken: 'at2' }
    const later = open('h', toFields({ i: records.seal('h', { ...session, tokens }) }))
    expect(later?.tokens.accessToken).toBe('at2')
    expect(open('h', toFields())?.tokens.accessToken).toBe('at1')
    expect(open('other', toFields())).toBeUndefined()
    expect(open('h', toFields({ v: '2' }))).toBeUndefined()
    expect(opened).toEqual(['h', 'h', 'h', 'other'])
  })

  test('does not depend on the buffer that it came in', () => {
    const { open } = countOpening()
    const buffer = Buffer.from(sealed)
    open('h', toFields({ i: buffer }))
    buffer.fill(0)
    expect(open('h', toFields({ i: buffer }))).toBeUndefined()
    expect(open('h', toFields())).toMatchObject(session)
  })

  test('makes room for others, those in use last', () => {
    const { opened, open } = countOpening()
    const others = Array.from({ length: 1_200 }, (_, index) => {
      const handle = `o${index}`
      return { handle, fields: toFields({ i: records.seal(handle, session) }) }
    })
    open('h', toFields())
    for (const { handle, fields } of others) {
      open(handle, fields)
      open('h', toFields())
    }
    expect(opened.filter((handle) => handle === 'h')).toHaveLength(1)
    for (const { handle, fields } of others) open(handle, fields)
    expect(opened.filter((handle) => handle === 'o0')).toHaveLength(2)
  })
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

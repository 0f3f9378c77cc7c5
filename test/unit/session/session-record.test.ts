import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { createSealer, type Sealer } from '../../../src/crypto/sealer.ts'
import { createSessionRecords } from '../../../src/session/redis/session-record.ts'
import { type NewSession, toRefreshTokens } from '../../../src/session/session.ts'
import { session } from '../../support/session-fixture.ts'

const sealer = createSealer([randomBytes(32)], 'session-at-rest')
const records = createSessionRecords(sealer)
const toFields = (one: NewSession) => ({
  v: '2',
  i: records.sealIdentity('h', one),
  t: records.sealTokens('h', one),
  n: '3',
  c: '1',
  l: '2',
  x: '3',
  a: '4',
})

test('a session of another format is not read, whatever its fields hold', () => {
  const fields = toFields(session)
  expect(records.open('h', fields)?.identity).toEqual(session.identity)
  for (const v of ['1', '3']) expect(records.open('h', { ...fields, v })).toBeUndefined()
})

test('each sealed text is bound to its session and its kind', () => {
  const contexts: string[] = []
  const recording: Sealer = {
    ...sealer,
    seal(text, context) {
      contexts.push(context)
      return sealer.seal(text, context)
    },
  }
  const { sealIdentity, sealTokens, sealInherited } = createSessionRecords(recording)
  for (const handle of ['h', 'other']) {
    sealIdentity(handle, session)
    sealTokens(handle, session)
    sealInherited(handle, toRefreshTokens(session))
  }
  expect(contexts).toHaveLength(6)
  expect(new Set(contexts).size).toBe(6)
})

test('a pending revocation is opened only for its own handle', () => {
  const fields = toFields(session)
  expect(records.openPendingRevocation('h', fields)).toEqual({ ...session, handle: 'h', version: 3 })
  expect(records.openPendingRevocation('other', fields)).toBeUndefined()
  expect(records.openPendingRevocation('h', { v: 'ended', n: '3' })).toBeUndefined()
  expect(records.openPendingRevocation('h', { ...fields, t: fields.i })).toBeUndefined()
})

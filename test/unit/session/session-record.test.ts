import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { createSealer } from '../../../src/crypto/sealer.ts'
import { createSessionRecords } from '../../../src/session/redis/session-record.ts'
import type { NewSession } from '../../../src/session/session.ts'
import { session } from '../../support/session-fixture.ts'

const records = createSessionRecords(createSealer([randomBytes(32)], 'session-at-rest'))
const toFields = (one: NewSession) => ({
  v: '1',
  i: records.sealIdentity('h', one),
  t: records.sealTokens('h', one),
  n: '3',
  c: '1',
  l: '2',
  x: '3',
  a: '4',
})

test('a session of a version that did not write when its login began is read', () => {
  const { startedAt: _, ...login } = session.identity.login
  const old = { ...session, identity: { ...session.identity, login } } as NewSession
  expect(records.open('h', toFields(old))?.identity.login).toEqual({ ...login, startedAt: 0 })
})

test('a pending revocation is opened only for its own handle', () => {
  const fields = toFields(session)
  expect(records.openPendingRevocation('h', fields)).toEqual({ ...session, handle: 'h', version: 3 })
  expect(records.openPendingRevocation('other', fields)).toBeUndefined()
  expect(records.openPendingRevocation('h', { v: 'ended', n: '3' })).toBeUndefined()
  expect(records.openPendingRevocation('h', { ...fields, t: fields.i })).toBeUndefined()
})

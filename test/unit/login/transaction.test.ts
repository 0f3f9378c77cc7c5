import { expect, test } from 'vitest'
import { createSealer } from '../../../src/crypto/sealer.ts'
import {
  createTransaction,
  openTransaction,
  openTransactions,
  sealTransaction,
  toTransactionId,
} from '../../../src/login/transaction.ts'
import { createTestClock, minutes } from '../../support/clock.ts'

const sealer = createSealer([Buffer.alloc(32, 1)], 'login-transaction')
const request = { providerName: 'default', issuer: 'https://idp.example', returnTo: '/' }

test('the largest transaction there can be fits a cookie of 4096 bytes, attributes included', () => {
  const transaction = createTransaction(
    {
      providerName: 'p'.repeat(32),
      // The longest name that DNS knows, with the path of an Okta authorization server.
      issuer: `https://${'i'.repeat(253)}/oauth2/default`,
      returnTo: `/${'r'.repeat(1_999)}`,
      prompt: 'login consent select_account',
      maxAge: 999_999_999,
      acrValues: 'a'.repeat(340),
      browserJkt: 'b'.repeat(43),
    },
    createTestClock(),
  )
  const sealed = sealTransaction(sealer, { ...transaction, dpopThumbprint: 'k'.repeat(43) })
  const attributes =
    'Max-Age=600; Path=/; Expires=Thu, 01 Jan 2026 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax'
  expect(`__Host-bff_tx.${transaction.id}=${sealed}; ${attributes}`.length).toBeLessThanOrEqual(4_096)
})

test('state, nonce and code verifier are derived from the seed: each another one, none of them sealed', () => {
  const transaction = createTransaction(request, createTestClock())
  const { id, seed, state, nonce, codeVerifier } = transaction
  const secrets = [seed, state.slice(id.length + 1), nonce, codeVerifier]
  expect(new Set(secrets).size).toBe(4)
  for (const secret of secrets) expect(secret).toMatch(/^[\w-]{43}$/)
  expect(toTransactionId(state)).toBe(id)
  const sealed = sealTransaction(sealer, transaction)
  const text = sealer.open(sealed, id) ?? ''
  for (const secret of secrets.slice(1)) expect(text).not.toContain(secret)
  expect(openTransaction(sealer, { id, sealed }, state)).toEqual(transaction)
  expect(openTransactions(sealer, [{ id, sealed }])).toEqual([transaction])
})

test('its age is that of its id, which names its cookie', () => {
  const clock = createTestClock()
  const first = createTransaction(request, clock)
  clock.advance(minutes(3))
  const second = createTransaction(request, clock)
  expect([first.startedAt, second.startedAt]).toEqual([clock.now() - minutes(3), clock.now()])
  expect(first.id < second.id).toBe(true)
  const cookie = { id: second.id, sealed: sealTransaction(sealer, first) }
  expect(() => openTransaction(sealer, cookie, second.state)).toThrow('No sign-in')
  expect(openTransactions(sealer, [cookie])).toEqual([])
})

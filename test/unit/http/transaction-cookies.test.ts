import type { Request } from 'express'
import { describe, expect, test } from 'vitest'
import { createSealer } from '../../../src/crypto/sealer.ts'
import { createTransactionCookies } from '../../../src/http/request/transaction-cookies.ts'
import { createTransaction, type SealedTransaction, sealTransaction } from '../../../src/login/transaction.ts'
import { createTestClock } from '../../support/clock.ts'

const sealer = createSealer([Buffer.alloc(32, 1)], 'login-transaction')
const cookies = createTransactionCookies({ secureCookies: true, cookieName: 'bff' })

/** Logins of one browser, the oldest first, bound to a key each, as where the provider takes DPoP. */
function begin(count: number, linkLength: number, browserJkt?: string): SealedTransaction[] {
  const clock = createTestClock()
  return Array.from({ length: count }, () => {
    clock.advance(1)
    const issuer = 'https://dev-12345678.okta.com/oauth2/default'
    const returnTo = `/${'r'.repeat(linkLength - 1)}`
    const begun = createTransaction({ providerName: 'default', issuer, returnTo, browserJkt }, clock)
    return { id: begun.id, sealed: sealTransaction(sealer, { ...begun, dpopThumbprint: 'k'.repeat(43) }) }
  })
}

/** Those that give way where the last one is the new one, and the browser brings the others in any order. */
function findSurplus(logins: SealedTransaction[]): SealedTransaction[] {
  const [added = { id: '', sealed: '' }, ...held] = logins.toReversed()
  const cookie = held.map(({ id, sealed }) => `__Host-bff_tx.${id}=${sealed}`).join('; ')
  return cookies.findSurplus({ headers: { cookie } } as Request, added)
}

describe('logins at once in one browser', () => {
  test.each([
    [10, 100],
    [6, 350],
    [2, 1_600],
    [1, 2_000],
  ])('%i with links of %i characters: none gives way', (count, linkLength) => {
    expect(findSurplus(begin(count, linkLength))).toEqual([])
  })

  test.each([
    [8, 100],
    [5, 350],
    [1, 1_600],
  ])(
    '%i with links of %i characters, bound to a key of the browser as well: likewise',
    (count, linkLength) => {
      expect(findSurplus(begin(count, linkLength, 'b'.repeat(43)))).toEqual([])
      expect(findSurplus(begin(count + 1, linkLength, 'b'.repeat(43)))).toHaveLength(1)
    },
  )

  test.each([
    [11, 1, 1],
    [12, 100, 2],
    [7, 400, 2],
    [3, 1_600, 1],
    [2, 2_000, 1],
  ])('%i with links of %i characters: the oldest %i give way', (count, linkLength, surplus) => {
    const logins = begin(count, linkLength)
    const ids = findSurplus(logins).map(({ id }) => id)
    expect(ids.sort()).toEqual(logins.slice(0, surplus).map(({ id }) => id))
  })
})

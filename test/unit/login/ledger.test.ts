import { expect, test } from 'vitest'
import { createSealer } from '../../../src/crypto/sealer.ts'
import { createLoginLedger } from '../../../src/login/ledger.ts'
import { createMemoryStore } from '../../../src/session/memory/store.ts'
import type { Store } from '../../../src/session/store.ts'
import { createTestClock } from '../../support/clock.ts'
import { lifetimes } from '../../support/session-fixture.ts'

const sealer = createSealer([Buffer.alloc(32, 1)], 'login-outcome')
const response = { state: 'state', code: 'code' }
const create = (replaced: Partial<Store> = {}, followTimeout = 10_000) => {
  const clock = createTestClock()
  const store = { ...createMemoryStore({ clock, lifetimes }), ...replaced }
  return { store, ledger: createLoginLedger({ store, sealer, clock, followTimeout }) }
}
const success = { sessionId: 'id', returnTo: '/' }

test('a login whose record is lost, as by a Redis that was restarted empty, is not waited for', async () => {
  const { ledger } = create()
  await expect(ledger.follow(response)).rejects.toMatchObject({ code: 'login_transaction_missing' })
})

test('a login that another request holds for too long: 503, and the record is asked for until then', async () => {
  let looks = 0
  const { ledger } = create(
    {
      async findReservation() {
        looks += 1
        return { state: 'held' }
      },
    },
    1_000,
  )
  await expect(ledger.follow(response)).rejects.toMatchObject({ code: 'provider_unavailable' })
  expect(looks).toBeGreaterThan(1)
})

test('an outcome that something else than this server wrote is none', async () => {
  const { store, ledger } = create()
  await ledger.reserve(response.state)
  await ledger.recordOutcome(response, success)
  const findReservation: Store['findReservation'] = async (key) => {
    const claim = await store.findReservation(key)
    return claim.state === 'settled' ? { ...claim, text: 'x'.repeat(80) } : claim
  }
  const { ledger: other } = create({ findReservation })
  await expect(other.follow(response)).rejects.toMatchObject({ code: 'login_transaction_missing' })
  expect(await ledger.follow(response)).toEqual(success)
})

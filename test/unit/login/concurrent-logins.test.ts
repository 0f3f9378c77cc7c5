import { beforeEach, expect, test } from 'vitest'
import { createSealer } from '../../../src/crypto/sealer.ts'
import { createConcurrentLogins } from '../../../src/login/concurrent-logins.ts'
import { createLoginLedger, type LoginLedger } from '../../../src/login/ledger.ts'
import { createTransaction, sealTransaction, type Transaction } from '../../../src/login/transaction.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/session/memory/store.ts'
import { createSessionId, toSessionHandle } from '../../../src/session/session.ts'
import { createSessionTermination } from '../../../src/session/termination/session-termination.ts'
import { createTestClock, seconds, type TestClock } from '../../support/clock.ts'
import { lifetimes, session } from '../../support/session-fixture.ts'

const sealer = createSealer([Buffer.alloc(32, 1)], 'login-transaction')
let clock: TestClock
let store: MemoryStore
let ledger: LoginLedger
let revoked: string[]
beforeEach(() => {
  clock = createTestClock()
  store = createMemoryStore({ clock, lifetimes })
  ledger = createLoginLedger({ store, sealer, clock, followTimeout: 1_000 })
  revoked = []
})

/** A login whose session is written and that is settled, with the transactions its request brought. */
async function settle(transaction: Transaction, sub: string) {
  const arrivedAt = clock.now()
  const sessionId = createSessionId()
  const handle = toSessionHandle(sessionId)
  const own = { ...session, identity: { ...session.identity, providerSub: sub } }
  await store.create(handle, own)
  await ledger.reserve(transaction.state)
  const response = { state: transaction.state, code: 'code' }
  const { settledAt = 0 } = (await ledger.recordOutcome(response, { sessionId, returnTo: '/' })) ?? {}
  return { ...own, handle, state: transaction.state, arrivedAt, settledAt }
}

const begin = () =>
  createTransaction({ providerName: 'default', issuer: 'https://idp', returnTo: '/' }, clock)
const toCookies = (transactions: Transaction[]) =>
  transactions.map((one) => ({ id: one.id, sealed: sealTransaction(sealer, one) }))

const createRule = () => {
  const tokenRevocation = { revoke: ({ handle }: { handle: string }) => void revoked.push(handle) }
  return createConcurrentLogins({
    ledger,
    store,
    termination: createSessionTermination({ store, tokenRevocation, log: () => {} }),
    sealer,
  })
}
const living = async (handles: string[]) => {
  const found = await Promise.all(handles.map((handle) => store.read(handle)))
  return handles.filter((_handle, index) => found[index] !== undefined)
}

test.each([
  ['at different times', 1],
  ['in the same millisecond', 0],
])(
  'two logins settled %s that see each other: the later one stays, whoever looks first',
  async (_when, apart) => {
    for (const order of [
      [0, 1],
      [1, 0],
    ] as const) {
      const transactions = [begin(), begin()] as const
      const first = await settle(transactions[0], 'same')
      clock.advance(apart)
      const second = await settle(transactions[1], 'same')
      const both = [first, second] as const
      const rule = createRule()
      await Promise.all(order.map((index) => rule(both[index], toCookies([...transactions]))))
      const last = apart === 0 && first.state > second.state ? first : second
      expect(await living([first.handle, second.handle])).toEqual([last.handle])
    }
    expect(revoked).toEqual([])
  },
)

test('of two people, the tokens of the one whose session ends are revoked', async () => {
  const transactions = [begin(), begin()] as const
  const first = await settle(transactions[0], 'one')
  clock.advance(1)
  const second = await settle(transactions[1], 'other')
  await createRule()(first, toCookies([...transactions]))
  expect(await living([first.handle, second.handle])).toEqual([second.handle])
  expect(revoked).toEqual([first.handle])
})

test.each(['same', 'other'])(
  'a login whose session has ended ends no other (%s), though it was settled last',
  async (sub) => {
    const transactions = [begin(), begin()] as const
    const first = await settle(transactions[0], sub)
    clock.advance(1)
    const second = await settle(transactions[1], 'same')
    await store.end(second.handle, { successor: first.handle })
    await createRule()(second, toCookies([...transactions]))
    expect(await living([first.handle])).toEqual([first.handle])
  },
)

test('of three that look in any order, the last one stays, and answers for all', async () => {
  for (const order of [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ]) {
    const transactions = [begin(), begin(), begin()]
    const settled: Awaited<ReturnType<typeof settle>>[] = []
    for (const transaction of transactions) {
      settled.push(await settle(transaction, 'same'))
      clock.advance(1)
    }
    const rule = createRule()
    for (const index of order) {
      const one = settled[index]
      if (one !== undefined) await rule(one, toCookies(transactions))
    }
    const handles = settled.map(({ handle }) => handle)
    expect(await living(handles)).toEqual(handles.slice(2))
  }
  expect(revoked).toEqual([])
})

test('a login that settled last takes no session from one that is over already', async () => {
  const transactions = [begin(), begin()] as const
  const first = await settle(transactions[0], 'same')
  clock.advance(1)
  const second = await settle(transactions[1], 'same')
  await store.end(second.handle)
  await createRule()(first, toCookies([...transactions]))
  expect(await living([first.handle])).toEqual([first.handle])
})

test.each([
  [seconds(15), 1],
  [seconds(15) + 1, 2],
])('a login settled %s ms before the other one arrived: %s stay', async (wait, count) => {
  const transactions = [begin(), begin()] as const
  const first = await settle(transactions[0], 'same')
  clock.advance(wait)
  const second = await settle(transactions[1], 'same')
  await createRule()(second, toCookies([...transactions]))
  expect(await living([first.handle, second.handle])).toHaveLength(count)
})

test('transactions that do not open, or are of no settled login, do no harm', async () => {
  const transactions = [begin(), begin()] as const
  const mine = await settle(transactions[0], 'same')
  const cookies = [...toCookies([...transactions]), { id: transactions[1].id, sealed: 'x'.repeat(60) }]
  await createRule()(mine, cookies)
  expect(await living([mine.handle])).toEqual([mine.handle])
})

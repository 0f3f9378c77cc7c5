import { expect, test, vi } from 'vitest'
import { createSessionCount } from '../../../src/session/session-count.ts'

function createStore(batches: readonly (readonly string[])[]) {
  let listed = 0
  return {
    listed: () => listed,
    async *listHandles() {
      listed += 1
      yield* batches
    },
  }
}

test('counts every batch once, whoever asks meanwhile and as long as the count is fresh', async () => {
  const store = createStore([['a', 'b'], ['c']])
  const count = createSessionCount(store, 3_600_000)
  expect(await Promise.all([count(), count()])).toEqual([3, 3])
  expect(await count()).toBe(3)
  expect(store.listed()).toBe(1)
})

test('a count that failed is not shown again: the next call counts', async () => {
  const store = createStore([['a']])
  let isDown = true
  const count = createSessionCount(
    {
      async *listHandles() {
        if (isDown) throw new Error('down')
        yield* store.listHandles()
      },
    },
    3_600_000,
  )
  await expect(count()).rejects.toThrow('down')
  isDown = false
  expect(await count()).toBe(1)
})

test('a count is fresh for its time, or ten times as long as it took', async () => {
  let now = 0
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now)
  let took = 1_000
  const store = createStore([['a']])
  const count = createSessionCount(
    {
      async *listHandles() {
        now += took
        yield* store.listHandles()
      },
    },
    60_000,
  )
  const listedAt = async (time: number) => {
    now = time
    await count()
    return store.listed()
  }
  expect([await listedAt(0), await listedAt(61_000)]).toEqual([1, 1])
  took = 10_000
  // Counted at 71,001 and fresh until 171,001.
  expect([await listedAt(61_001), await listedAt(171_001), await listedAt(171_002)]).toEqual([2, 2, 3])
  clock.mockRestore()
})

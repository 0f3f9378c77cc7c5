import { expect, test } from 'vitest'
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

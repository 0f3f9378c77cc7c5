import { setImmediate } from 'node:timers/promises'

/** Runs `work` on an array in batches, one batch after the other; returns all results in one array. */
export async function inBatches<T, R>(
  items: readonly T[],
  size: number,
  work: (batch: readonly T[]) => Promise<R[]>,
): Promise<R[]> {
  const results: R[] = []
  for (let from = 0; from < items.length; from += size) {
    results.push(...(await work(items.slice(from, from + size))))
  }
  return results
}

/** Iterates in batches over what is in memory; requests have their turn between two of them. */
export async function* toBatches<T>(items: Iterable<T>, size: number): AsyncGenerator<readonly T[]> {
  let batch: T[] = []
  for (const item of items) {
    batch.push(item)
    if (batch.length < size) continue
    yield batch
    batch = []
    await setImmediate()
  }
  yield batch
}

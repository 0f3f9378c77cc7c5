import type { SessionStore } from './store.ts'

/**
 * Creates what counts the sessions of all replicas. To count them reads every one: so a count is used again
 * for `freshFor` milliseconds, and for ten times as long as it took. One that fails is not.
 */
export function createSessionCount(
  store: Pick<SessionStore, 'listHandles'>,
  freshFor: number,
): () => Promise<number> {
  let last: { count: Promise<number>; freshUntil: number } | undefined

  return () => {
    if (last === undefined || performance.now() > last.freshUntil) last = begin()
    return last.count
  }

  function begin() {
    const startedAt = performance.now()
    const begun = { count: countAll(), freshUntil: Number.POSITIVE_INFINITY }
    const keep = () => {
      const now = performance.now()
      begun.freshUntil = now + Math.max(freshFor, 10 * (now - startedAt))
    }
    const drop = () => {
      begun.freshUntil = 0
    }
    begun.count.then(keep, drop)
    return begun
  }

  async function countAll(): Promise<number> {
    let count = 0
    for await (const handles of store.listHandles()) count += handles.length
    return count
  }
}

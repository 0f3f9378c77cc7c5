import type { Clock } from '../../clock.ts'
import { createExpiringMap } from '../../expiring-map.ts'
import type { PendingRevocation } from '../session.ts'
import type { SessionStore } from '../store.ts'
import { pendingRevocationLifetime, revocationGrace, tombstoneLifetime } from '../timeouts.ts'

/** The marker that an ended session leaves. */
export interface Tombstone {
  pendingRevocation?: PendingRevocation | undefined
  /** Version of the session's tokens. */
  version: number
  /** When its own browser first signed out. */
  signedOutAt?: number | undefined
  successor?: string | undefined
  /** When the successor superseded it. */
  supersededAt?: number | undefined
}

/** The tombstones of ended sessions, and the tokens in them that still have to be revoked. */
export interface MemoryTombstones
  extends Pick<
    SessionStore,
    | 'keepForRevocation'
    | 'readPendingRevocation'
    | 'completeRevocation'
    | 'takeDueRevocations'
    | 'countPendingRevocations'
  > {
  get(handle: string): Tombstone | undefined
  write(handle: string, tombstone: Tombstone): void
  size(): number
}

/** Creates the tombstones of one process. */
export function createMemoryTombstones(clock: Clock, capacity: number): MemoryTombstones {
  const tombstones = createExpiringMap<Tombstone>(clock, capacity)
  /** By handle, when the revocation of an ended session is due; milliseconds since the epoch. */
  const dueAt = new Map<string, number>()

  return {
    async keepForRevocation(handle, { identity, tokens }, { successorEnded = false } = {}) {
      const before = tombstones.get(handle)
      const isSuperseded = before?.successor !== undefined && before.signedOutAt === undefined
      if (isSuperseded && !successorEnded) return { successor: before.successor ?? '' }
      const version = (before?.version ?? 0) + 1
      const inherited = before?.pendingRevocation?.inherited
      const pendingRevocation = { identity, tokens, handle, version, inherited }
      write(handle, { ...before, pendingRevocation, version })
      return { pendingRevocation }
    },

    async readPendingRevocation(handle) {
      return tombstones.get(handle)?.pendingRevocation
    },

    async completeRevocation(handle, version) {
      const tombstone = tombstones.get(handle)
      if (tombstone?.pendingRevocation !== undefined && tombstone.version > version) return
      dueAt.delete(handle)
      if (tombstone !== undefined) write(handle, { ...tombstone, pendingRevocation: undefined })
    },

    async takeDueRevocations(limit, pause) {
      const due = [...dueAt].filter(([, at]) => at <= clock.now()).slice(0, limit)
      for (const [handle] of due) dueAt.set(handle, clock.now() + pause)
      return due.map(([handle]) => handle)
    },

    countPendingRevocations: async () => dueAt.size,

    get: (handle) => tombstones.get(handle),
    write,
    size: () => tombstones.size(),
  }

  function write(handle: string, tombstone: Tombstone): void {
    const isPending = tombstone.pendingRevocation !== undefined
    const lifetime = isPending ? pendingRevocationLifetime : tombstoneLifetime
    tombstones.set(handle, tombstone, clock.now() + lifetime)
    if (isPending) dueAt.set(handle, clock.now() + revocationGrace)
  }
}

import type { Clock } from '../../clock.ts'
import type { SessionStore } from '../store.ts'
import { pendingRevocationLifetime, revocationGrace, tombstoneLifetime } from '../timeouts.ts'
import type { RedisConnection } from './connection/connection.ts'
import { revocationQueueKey, toSessionKey } from './keys.ts'
import type { SessionRecords } from './records/session-record.ts'
import type { RunScript } from './scripts/script-runner.ts'
import { completeRevocationScript, keepForRevocationScript } from './scripts/session-scripts.ts'
import { enqueueScript, takeDueRevocationsScript } from './scripts/shared-scripts.ts'
import type { SessionReader } from './session-reader.ts'

/**
 * The tokens in the tombstones of ended sessions, and the queue of the sessions whose tokens are not revoked
 * yet.
 */
export interface RevocationQueue
  extends Pick<
    SessionStore,
    | 'keepForRevocation'
    | 'readPendingRevocation'
    | 'completeRevocation'
    | 'takeDueRevocations'
    | 'countPendingRevocations'
  > {
  /** Queues a session before it ends, so that another replica revokes its tokens if this one crashes. */
  enqueue(handle: string): Promise<void>
}

interface RevocationQueueOptions {
  connection: RedisConnection
  runScript: RunScript
  records: SessionRecords
  sessions: Pick<SessionReader, 'readPendingRevocation'>
  clock: Clock
}

/** Creates the queue that the replicas share. */
export function createRevocationQueue({
  connection,
  runScript,
  records,
  sessions,
  clock,
}: RevocationQueueOptions): RevocationQueue {
  return {
    enqueue,

    async keepForRevocation(handle, late, { successorEnded = false } = {}) {
      await enqueue(handle)
      const answer = await runScript(
        keepForRevocationScript,
        [toSessionKey(handle)],
        clock.now(),
        pendingRevocationLifetime,
        records.seal(handle, late),
        successorEnded ? 1 : 0,
      )
      const [first = 0, second = ''] = Array.isArray(answer) ? answer : []
      const version = Number(first)
      if (version < 0) return { successor: String(second) }
      // Once more: a replica that has just revoked the older tokens may have removed the session from the
      // queue.
      await enqueue(handle)
      const { identity, tokens } = late
      const inherited = records.openInherited(handle, String(second))
      return { pendingRevocation: { identity, tokens, handle, version, inherited } }
    },

    readPendingRevocation: sessions.readPendingRevocation,

    async completeRevocation(handle, version) {
      // First: tokens that arrive in between queue the session again.
      await connection.run('zrem', (client) => client.zRem(revocationQueueKey, handle))
      const keys = [toSessionKey(handle)]
      const isCompleted = (await runScript(completeRevocationScript, keys, version, tombstoneLifetime)) === 1
      if (!isCompleted) await enqueue(handle)
    },

    async takeDueRevocations(limit, pause) {
      const [now, nextDue] = [clock.now(), clock.now() + pause]
      const due = await runScript(takeDueRevocationsScript, [revocationQueueKey], now, limit, nextDue)
      return Array.isArray(due) ? due.map(String) : []
    },

    countPendingRevocations: () => connection.run('zcard', (client) => client.zCard(revocationQueueKey)),
  }

  async function enqueue(handle: string): Promise<void> {
    const dueAt = clock.now() + revocationGrace
    await runScript(enqueueScript, [revocationQueueKey], dueAt, handle, pendingRevocationLifetime)
  }
}

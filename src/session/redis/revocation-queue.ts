import type { Clock } from '../../clock.ts'
import type { LateTokens, SessionStore } from '../store.ts'
import { pendingRevocationLifetime, revocationGrace, tombstoneLifetime } from '../timeouts.ts'
import type { RedisConnection } from './connection.ts'
import { runScript } from './script-runner.ts'
import {
  completeRevocationScript,
  enqueueScript,
  keepForRevocationScript,
  takeDueRevocationsScript,
} from './scripts.ts'
import type { SessionRecords } from './session-record.ts'

/** What ended sessions left, in their tombstones, and the list of those whose tokens are not revoked yet. */
export interface RevocationQueue {
  /** Puts a session on the list before it ends: somebody will look, whoever dies meanwhile. */
  enqueue(handle: string): Promise<void>
  keep: SessionStore['keepForRevocation']
  read: SessionStore['readPendingRevocation']
  complete: SessionStore['completeRevocation']
  takeDue: SessionStore['takeDueRevocations']
}

interface RevocationQueueOptions {
  connection: RedisConnection
  records: SessionRecords
  clock: Clock
  sessionKey(handle: string): string
  readFields(handle: string): Promise<Record<string, string>>
}

/** The list, by the time at which an entry is due. */
const listKey = 'portico:remains'

/** Creates the keeper. */
export function createRevocationQueue({
  connection,
  records,
  clock,
  sessionKey,
  readFields,
}: RevocationQueueOptions): RevocationQueue {
  const write = (script: string, key: string, ...args: (string | number)[]) =>
    connection.run((client) => runScript(client, script, [key], args))

  const list = async (handle: string) => {
    await write(enqueueScript, listKey, clock.now() + revocationGrace, handle, pendingRevocationLifetime)
  }

  const unlist = (handle: string) => connection.run((client) => client.zRem(listKey, handle))

  return {
    enqueue: list,

    async keep(handle, late, { isOver = false } = {}): Promise<LateTokens> {
      await list(handle)
      const sealed = [records.sealIdentity(handle, late), records.sealTokens(handle, late)]
      const args = [clock.now(), pendingRevocationLifetime, ...sealed, isOver ? 1 : 0]
      const answer = await write(keepForRevocationScript, sessionKey(handle), ...args)
      const [version = 0, more = ''] = Array.isArray(answer) ? answer : []
      if (Number(version) < 0) return { successor: String(more) }
      // Once more: a process that forgot older tokens in between has taken it off the list.
      await list(handle)
      const { identity, tokens } = late
      const inherited = records.openInherited(handle, String(more))
      return { pendingRevocation: { identity, tokens, handle, version: Number(version), ...inherited } }
    },

    async read(handle) {
      const fields = await readFields(handle)
      return fields.v === 'ended' ? records.openPendingRevocation(handle, fields) : undefined
    },

    async complete(handle, version) {
      // The list first: tokens that come in between put the session on it again.
      await unlist(handle)
      const forgotten = await write(completeRevocationScript, sessionKey(handle), version, tombstoneLifetime)
      if (forgotten !== 1) await list(handle)
    },

    async takeDue(limit, pause) {
      const due = await write(takeDueRevocationsScript, listKey, clock.now(), limit, clock.now() + pause)
      return Array.isArray(due) ? due.map(String) : []
    },
  }
}

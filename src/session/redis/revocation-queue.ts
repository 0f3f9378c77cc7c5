import type { Clock } from '../../clock.ts'
import type { RedisConnection } from './connection.ts'
import { runScript } from './script-runner.ts'
import { awaitScript, claimRemainsScript, forgetScript, leaveScript } from './scripts.ts'
import type { SessionRecords } from './session-record.ts'
import type { Left, SessionStore } from '../store.ts'
import { remainsGrace, remainsLifetime, tombstoneLifetime } from '../timeouts.ts'

/** What ended sessions left, in their tombstones, and the list of those whose tokens are not revoked yet. */
export interface RemainsKeeper {
  /** Puts a session on the list before it ends: somebody will look, whoever dies meanwhile. */
  await(handle: string): Promise<void>
  leave: SessionStore['leave']
  read: SessionStore['readRemains']
  forget: SessionStore['forgetRemains']
  claim: SessionStore['claimRemains']
}

interface RemainsKeeperOptions {
  connection: RedisConnection
  records: SessionRecords
  clock: Clock
  sessionKey(handle: string): string
  readFields(handle: string): Promise<Record<string, string>>
}

/** The list, by the time at which an entry is due. */
const listKey = 'portico:remains'

/** Creates the keeper. */
export function createRemainsKeeper({
  connection,
  records,
  clock,
  sessionKey,
  readFields,
}: RemainsKeeperOptions): RemainsKeeper {
  const write = (script: string, key: string, ...args: (string | number)[]) =>
    connection.run((client) => runScript(client, script, [key], args))

  const list = async (handle: string) => {
    await write(awaitScript, listKey, clock.now() + remainsGrace, handle, remainsLifetime)
  }

  const unlist = (handle: string) => connection.run((client) => client.zRem(listKey, handle))

  return {
    await: list,

    async leave(handle, late, { isOver = false } = {}): Promise<Left> {
      await list(handle)
      const sealed = [records.sealIdentity(handle, late), records.sealTokens(handle, late)]
      const args = [clock.now(), remainsLifetime, ...sealed, isOver ? 1 : 0]
      const answer = await write(leaveScript, sessionKey(handle), ...args)
      const [version = 0, more = ''] = Array.isArray(answer) ? answer : []
      if (Number(version) < 0) return { successor: String(more) }
      // Once more: a process that forgot older tokens in between has taken it off the list.
      await list(handle)
      const { identity, tokens } = late
      const inherited = records.openInherited(handle, String(more))
      return { remains: { identity, tokens, handle, version: Number(version), ...inherited } }
    },

    async read(handle) {
      const fields = await readFields(handle)
      return fields.v === 'ended' ? records.openRemains(handle, fields) : undefined
    },

    async forget(handle, version) {
      // The list first: tokens that come in between put the session on it again.
      await unlist(handle)
      const forgotten = await write(forgetScript, sessionKey(handle), version, tombstoneLifetime)
      if (forgotten !== 1) await list(handle)
    },

    async claim(limit, pause) {
      const due = await write(claimRemainsScript, listKey, clock.now(), limit, clock.now() + pause)
      return Array.isArray(due) ? due.map(String) : []
    },
  }
}

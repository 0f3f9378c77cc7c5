import type { Clock } from '../../clock.ts'
import type { Log } from '../../telemetry/logger.ts'
import type { Session } from '../session.ts'
import type { RedisConnection } from './connection/connection.ts'
import { toSessionKey } from './keys.ts'
import type { SessionRecords } from './session-record.ts'

/** Reads sessions and tombstones. */
export interface SessionReader {
  /** Returns the active session; undefined if there is none, or none that this version can read. */
  read(handle: string): Promise<Session | undefined>
  /**
   * Whether a session has ended for certain: one that this version cannot read may be active for another
   * replica.
   */
  hasEnded(handle: string): Promise<boolean>
  /** Returns the fields of a session or tombstone; `v` is its format. */
  readFields(handle: string): Promise<Record<string, string>>
}

interface SessionReaderOptions {
  connection: RedisConnection
  records: SessionRecords
  clock: Clock
  log: Log
}

/** Creates the reader. */
export function createSessionReader({
  connection,
  records,
  clock,
  log,
}: SessionReaderOptions): SessionReader {
  return {
    async read(handle) {
      const fields = await readFields(handle)
      const { v: format } = fields
      if (format === undefined || format === 'ended') return undefined
      const session = records.open(handle, fields)
      if (session === undefined) log('session_unreadable', { session: handle, format: format.slice(0, 20) })
      return session !== undefined && session.idleExpiresAt > clock.now() ? session : undefined
    },
    async hasEnded(handle) {
      const { v: format = 'ended' } = await readFields(handle)
      return format === 'ended'
    },
    readFields,
  }

  function readFields(handle: string): Promise<Record<string, string>> {
    return connection.run((client) =>
      client.hGetAll(toSessionKey(handle)).catch((error: unknown) => {
        // A value that is not a hash is not a session either.
        if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return { v: 'WRONGTYPE' }
        throw error
      }),
    )
  }
}

import type { Clock } from '../../clock.ts'
import type { Log } from '../../telemetry/events.ts'
import type { PendingRevocation, Session } from '../session.ts'
import type { SessionLifetimes } from '../store.ts'
import { touchInterval } from '../timeouts.ts'
import type { RedisConnection } from './connection/connection.ts'
import { clockAllowance, sessionKeyPattern, toHandle, toSessionKey } from './keys.ts'
import { type RecordFields, recordFields, type SessionRecords, toTimes } from './records/session-record.ts'
import type { RunScript } from './scripts/script-runner.ts'
import { recordFormat, touchScript } from './scripts/session-scripts.ts'

/** Reads sessions and tombstones. */
export interface SessionReader {
  /** Returns the active session; undefined if there is none, or none that this version can read. */
  read(handle: string): Promise<Session | undefined>
  /** As `read`, and extends the idle timeout. */
  touch(handle: string): Promise<Session | undefined>
  /**
   * Looks up a session that is in the index. `hasEnded` is certain: one that this version cannot read may be
   * active for another replica.
   */
  lookUp(handle: string): Promise<{ session: Session | undefined; hasEnded: boolean }>
  readPendingRevocation(handle: string): Promise<PendingRevocation | undefined>
  /** Returns the handles of all active sessions; a batch for each page of keys. */
  listHandles(): AsyncIterable<readonly string[]>
}

interface SessionReaderOptions {
  connection: RedisConnection
  runScript: RunScript
  records: SessionRecords
  lifetimes: SessionLifetimes
  clock: Clock
  log: Log
}

/** Creates the reader. */
export function createSessionReader({
  connection,
  runScript,
  records,
  lifetimes,
  clock,
  log,
}: SessionReaderOptions): SessionReader {
  return {
    read: async (handle) => open(handle, await readFields(handle)),

    async touch(handle) {
      const fields = await runScript.binary(
        touchScript,
        [toSessionKey(handle)],
        clock.now(),
        lifetimes.idleTimeout,
        touchInterval(lifetimes),
        clockAllowance,
      )
      return open(handle, fields as RecordFields)
    },

    async lookUp(handle) {
      const fields = await readFields(handle)
      return { session: open(handle, fields), hasEnded: (toFormat(fields) ?? 'ended') === 'ended' }
    },

    async readPendingRevocation(handle) {
      const fields = await readFields(handle)
      const [, , version, sealed, inherited] = fields
      if (toFormat(fields) !== 'ended' || !sealed) return undefined
      return records.openPendingRevocation(handle, {
        sealed,
        version: Number(version),
        inherited: String(inherited ?? ''),
      })
    },

    async *listHandles() {
      for await (const keys of connection.listKeys(sessionKeyPattern)) {
        const handles = [...new Set(keys)].map(toHandle)
        const living = await Promise.all(handles.map(isLiving))
        yield handles.filter((_handle, position) => living[position])
      }
    },
  }

  /** Whether a session is active. One of a newer format counts: another replica may serve it. */
  async function isLiving(handle: string): Promise<boolean> {
    const fields = await readFields(handle, ['v', 'x'])
    const format = toFormat(fields)
    if (format !== recordFormat) return format !== undefined && format !== 'ended'
    return (toTimes(String(fields[1]))?.idleExpiresAt ?? 0) > clock.now()
  }

  function open(handle: string, fields: RecordFields): Session | undefined {
    const format = toFormat(fields)
    if (format === undefined || format === 'ended') return undefined
    const session = records.open(handle, fields)
    if (session === undefined) log('session_unreadable', { session: handle, format: format.slice(0, 20) })
    return session !== undefined && session.idleExpiresAt > clock.now() ? session : undefined
  }

  function readFields(handle: string, names = recordFields): Promise<RecordFields> {
    return connection.run('hmget', (_client, binary) =>
      binary.hmGet(toSessionKey(handle), names).catch((error: unknown) => {
        // A value that is not a hash is not a session either.
        if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return wrongType
        throw error
      }),
    )
  }
}

const wrongType: RecordFields = [Buffer.from('WRONGTYPE')]

/** The format of a record: its first field. */
const toFormat = ([format]: RecordFields): string | undefined => (format ? format.toString() : undefined)

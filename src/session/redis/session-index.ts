import { createHmac } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { deriveKeys } from '../../crypto/derive-key.ts'
import { inBatches } from '../batches.ts'
import type { Session } from '../session.ts'
import { isIn, type SessionGroup } from '../session-groups.ts'
import type { SessionLifetimes } from '../store.ts'
import { loginCutoffLifetime } from '../timeouts.ts'
import type { RedisConnection } from './connection/connection.ts'
import { toIndexKey, toLoginCutoffKey } from './keys.ts'
import type { RunScript } from './script-runner.ts'
import { indexScript, setTextScript } from './scripts.ts'
import type { SessionReader } from './session-reader.ts'

/**
 * The index of sessions by their groups. It tolerates writes that are only half done: an entry is written
 * before its session and may outlive it, so that a reader of the index has to read each session as well.
 */
export interface RedisSessionIndex {
  /** Returns the keys of the indexes of these groups. */
  keysOf(groups: readonly SessionGroup[]): string[]
  add(keys: readonly string[], handle: string, absoluteExpiresAt: number): Promise<void>
  /** Never rejects: the session has ended, and an index entry that stays does no harm. */
  remove(keys: readonly string[], handle: string): Promise<void>
  /** Returns the active sessions, the oldest first. */
  find(group: SessionGroup): Promise<Session[]>
  rejectEarlierLogins(group: SessionGroup): Promise<void>
  /** Whether one of the groups rejects a login that began at `startedAt`. */
  isLoginRejected(groups: readonly SessionGroup[], startedAt: number): Promise<boolean>
}

interface RedisSessionIndexOptions {
  connection: RedisConnection
  runScript: RunScript
  /**
   * Master secrets, newest first. They key the hashes that name a group, because a user's `sub` can be
   * guessed.
   */
  secrets: readonly Uint8Array[]
  lifetimes: SessionLifetimes
  clock: Clock
  sessions: Pick<SessionReader, 'read' | 'hasEnded'>
}

/** Milliseconds for which an entry without a session is kept: its session may still be written. */
const entryAllowance = 60_000
/** Sessions that are read at once: a user with thousands of them must not block Redis for the others. */
const batchSize = 100

/** Creates the index. */
export function createRedisSessionIndex({
  connection,
  runScript,
  secrets,
  lifetimes,
  clock,
  sessions,
}: RedisSessionIndexOptions): RedisSessionIndex {
  const nameKeys = deriveKeys(secrets, 'store-index')

  return {
    keysOf: (groups) => groups.flatMap((group) => toNames(group).slice(0, 1)).map(toIndexKey),

    async add(keys, handle, absoluteExpiresAt) {
      const args = [clock.now(), absoluteExpiresAt, handle, lifetimes.absoluteTimeout]
      await Promise.all(keys.map((key) => runScript(indexScript, [key], ...args)))
    },

    async remove(keys, handle) {
      await Promise.all(
        keys.map((key) => connection.run((client) => client.zRem(key, handle)).catch(() => {})),
      )
    },

    async find(group) {
      const found = (await Promise.all(toNames(group).map(toIndexKey).map(findIn))).flat()
      // The user's claims may have changed since the entry was written.
      const ofGroup = found.filter(({ identity }) => isIn(identity, group))
      return ofGroup.sort((a, b) => a.createdAt - b.createdAt)
    },

    async rejectEarlierLogins(group) {
      const [name = ''] = toNames(group)
      await runScript(setTextScript, [toLoginCutoffKey(name)], clock.now(), loginCutoffLifetime)
    },

    async isLoginRejected(groups, startedAt) {
      const cutoffs = await Promise.all(
        groups.flatMap(toNames).map((name) => connection.run((client) => client.get(toLoginCutoffKey(name)))),
      )
      return cutoffs.some((cutoff) => cutoff !== null && Number(cutoff) > startedAt)
    },
  }

  /** Returns the names of one group, one for each master secret, the newest first. */
  function toNames({ by, issuer, value }: SessionGroup): string[] {
    const text = JSON.stringify([by, issuer, value])
    return nameKeys.map((key) => createHmac('sha256', key).update(text).digest('base64url'))
  }

  /** Returns the active sessions of one index, and drops the entries of those that have ended. */
  async function findIn(key: string): Promise<Session[]> {
    const entries = await connection.run((client) => client.zRangeWithScores(key, 0, -1))
    return inBatches(entries, batchSize, (batch) => readEntries(key, batch))
  }

  async function readEntries(key: string, entries: readonly IndexEntry[]): Promise<Session[]> {
    const found = await Promise.all(entries.map(({ value }) => sessions.read(value)))
    const missing = entries.filter((entry, position) => found[position] === undefined && isOld(entry))
    const handles = missing.map(({ value }) => value)
    const haveEnded = await Promise.all(handles.map((handle) => sessions.hasEnded(handle)))
    const ended = handles.filter((_handle, position) => haveEnded[position])
    if (ended.length > 0) await connection.run((client) => client.zRem(key, ended))
    return found.filter((session) => session !== undefined)
  }

  function isOld({ score: absoluteExpiresAt }: IndexEntry): boolean {
    return absoluteExpiresAt - lifetimes.absoluteTimeout < clock.now() - entryAllowance
  }
}

/** A handle, sorted by the absolute expiry of its session. */
interface IndexEntry {
  value: string
  score: number
}

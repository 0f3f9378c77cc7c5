import type { Clock } from '../../clock.ts'
import { inBatches } from '../batches.ts'
import type { Session } from '../session.ts'
import { isIn, type SessionGroup } from '../session-groups.ts'
import type { SessionLifetimes } from '../store.ts'
import type { RedisConnection } from './connection/connection.ts'
import { type GroupName, scoreUnit, type ToGroupNames } from './group-names.ts'
import { toEveryonesCutoffKey, toIndexKey, toLoginCutoffKey } from './keys.ts'
import { indexScript, unindexScript } from './scripts/index-scripts.ts'
import type { RunScript } from './scripts/script-runner.ts'
import type { SessionReader } from './session-reader.ts'

/**
 * The index of sessions by their groups. It has a fixed number of parts, each a sorted set with the entries
 * of many groups: a key for each group would take more memory than the entries themselves. An entry may
 * outlive its session, so that a reader of the index has to read each session as well.
 */
export interface RedisSessionIndex {
  /**
   * Adds a session to the index, and returns whether a login that began at `startedAt` is rejected. Both
   * happen in one step: a cut-off that is set before is seen here, and a search that comes after one finds
   * the session.
   */
  add(groups: readonly SessionGroup[], handle: string, startedAt: number): Promise<{ isRejected: boolean }>
  /** Never rejects: the session has ended, and an index entry that stays does no harm. */
  remove(groups: readonly SessionGroup[], handle: string): Promise<void>
  /** Returns the active sessions, the oldest first. */
  find(group: SessionGroup): Promise<Session[]>
}

interface RedisSessionIndexOptions {
  connection: RedisConnection
  runScript: RunScript
  toNames: ToGroupNames
  lifetimes: SessionLifetimes
  clock: Clock
  sessions: Pick<SessionReader, 'lookUp'>
}

/** Milliseconds. */
const minute = 60_000
/** Sessions that are read at once: a user with thousands of them must not block Redis for the others. */
const batchSize = 100

/** Creates the index. */
export function createRedisSessionIndex({
  connection,
  runScript,
  toNames,
  lifetimes,
  clock,
  sessions,
}: RedisSessionIndexOptions): RedisSessionIndex {
  return {
    async add(groups, handle, startedAt) {
      const names = groups.map(toNames)
      const newest = names.map(([name]) => name).filter((name) => name !== undefined)
      const expiryMinute = Math.ceil((clock.now() + lifetimes.absoluteTimeout) / minute)
      const cutoffs = await onParts(newest, (keys, parts) =>
        runScript(
          indexScript,
          keys,
          Math.floor(clock.now() / minute),
          lifetimes.absoluteTimeout,
          ...parts.flatMap(({ by, tag }) => [tag * scoreUnit + expiryMinute, toEntry(handle, by)]),
        ),
      )
      // Afterwards: a replica whose newest secret is another one writes them under the older names, and
      // searches by the newer ones as well.
      const older = names.flatMap(([, ...rest]) => rest).map(toLoginCutoffKey)
      const olderCutoffs = await Promise.all(
        older.map((key) => connection.run('get', (client) => client.get(key))),
      )
      return { isRejected: [...cutoffs, ...olderCutoffs].some((cutoff) => Number(cutoff) > startedAt) }
    },

    async remove(groups, handle) {
      await onParts(groups.flatMap(toNames), (keys, parts) =>
        runScript(unindexScript, keys, ...parts.map(({ by }) => toEntry(handle, by))),
      ).catch(() => {})
    },

    async find(group) {
      const entries = (await Promise.all(toNames(group).map(readEntries))).flat()
      const found = await inBatches(entries, batchSize, readSessions)
      // The user's claims may have changed since the entry was written.
      const ofGroup = found.filter(({ identity }) => isIn(identity, group))
      const byHandle = new Map(ofGroup.map((session) => [session.handle, session]))
      return [...byHandle.values()].sort((a, b) => a.createdAt - b.createdAt)
    },
  }

  /**
   * Runs a script on the parts of these groups, each with its cut-offs: one call for all of them, in a
   * cluster one for each, because a script there may only use keys of one node. Joins the answers.
   */
  async function onParts(
    names: readonly GroupName[],
    run: (keys: string[], parts: readonly GroupName[]) => Promise<unknown>,
  ): Promise<unknown[]> {
    if (names.length === 0) return []
    const calls = connection.isCluster ? names.map((name) => [name]) : [names]
    const answers = await Promise.all(
      calls.map((group) =>
        run(
          group.flatMap((name) => [
            toIndexKey(name),
            toLoginCutoffKey(name),
            toEveryonesCutoffKey(name.part),
          ]),
          group,
        ),
      ),
    )
    return answers.flat()
  }

  async function readEntries(name: GroupName): Promise<IndexEntry[]> {
    const [key, from] = [toIndexKey(name), name.tag * scoreUnit]
    const values = await connection.run('zrangebyscore', (client) =>
      client.zRangeByScore(key, from, from + scoreUnit - 1),
    )
    return values.map((value) => ({ key, value, handle: value.split(' ')[0] ?? '' }))
  }

  /** Returns the active sessions, and drops the entries of those that have ended. */
  async function readSessions(entries: readonly IndexEntry[]): Promise<Session[]> {
    const found = await Promise.all(entries.map(({ handle }) => sessions.lookUp(handle)))
    const ended = entries.filter((_entry, position) => found[position]?.hasEnded)
    const keys = [...new Set(ended.map(({ key }) => key))]
    await Promise.all(
      keys.map((key) => {
        const values = ended.filter((entry) => entry.key === key).map(({ value }) => value)
        return connection.run('zrem', (client) => client.zRem(key, values))
      }),
    )
    return found.map(({ session }) => session).filter((session) => session !== undefined)
  }
}

/**
 * The text of an entry. The kind is part of it, because two groups of one session may be in one part, which
 * has each text once.
 */
const toEntry = (handle: string, by: SessionGroup['by']) => `${handle} ${by.charAt(0)}`

/** An entry as it was found. */
interface IndexEntry {
  key: string
  value: string
  handle: string
}

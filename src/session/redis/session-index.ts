import { createHmac } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { deriveKeys } from '../../crypto/derive-key.ts'
import type { Session } from '../session.ts'
import { isIn, type SessionGroup } from '../session-groups.ts'
import type { SessionLifetimes } from '../store.ts'
import { cutoffLifetime } from '../timeouts.ts'
import type { RedisConnection } from './connection.ts'
import { runScript } from './script-runner.ts'
import { indexScript, setScript } from './scripts.ts'

/**
 * The index of sessions by their groups. It tolerates half-done writes: an entry is written before its session and may
 * outlive it, so that whoever reads the index reads each session as well.
 */
export interface SessionIndex {
  /** The indexes of these groups. */
  keysOf(groups: readonly SessionGroup[]): string[]
  add(keys: readonly string[], handle: string, absoluteExpiresAt: number): Promise<void>
  /** Never rejects: the session is over, and what its indexes still know of it does no harm. */
  remove(keys: readonly string[], handle: string): Promise<void>
  /** Living sessions, the oldest first. */
  find(group: SessionGroup): Promise<Session[]>
  cutOff(group: SessionGroup): Promise<void>
  /** Whether one of the groups was cut off after that time. */
  isCutOff(groups: readonly SessionGroup[], since: number): Promise<boolean>
}

interface SessionIndexOptions {
  connection: RedisConnection
  /** Master secrets, newest first: the names of indexes are keyed, because a person can be guessed. */
  secrets: readonly Uint8Array[]
  lifetimes: SessionLifetimes
  clock: Clock
  read(handle: string): Promise<Session | undefined>
  /** Whether a session is over for certain; one that cannot be read here may live for another replica. */
  isGone(handle: string): Promise<boolean>
}

/** Milliseconds after which an entry without a session is a dead one; before, its session may be about to come. */
const entryAllowance = 60_000
/** Sessions that are read at once. */
const batch = 100

/** Creates the index. */
export function createSessionIndex({
  connection,
  secrets,
  lifetimes,
  clock,
  read,
  isGone,
}: SessionIndexOptions): SessionIndex {
  const keys = deriveKeys(secrets, 'store-index')

  /** The names of one group, by each secret of the ring, the newest first. */
  const toNames = ({ by, issuer, value }: SessionGroup) =>
    keys.map((key) =>
      createHmac('sha256', key)
        .update(JSON.stringify([by, issuer, value]))
        .digest('base64url'),
    )
  const toIndexKeys = (group: SessionGroup) => toNames(group).map((name) => `portico:index:{${name}}`)
  const toCutoffKeys = (group: SessionGroup) => toNames(group).map((name) => `portico:cutoff:{${name}}`)

  /** The living sessions one index knows; dead ones are dropped from it. */
  async function findIn(name: string): Promise<Session[]> {
    const entries = await connection.run((client) => client.zRangeWithScores(name, 0, -1))
    const found: Session[] = []
    // In batches: a person with thousands of sessions must not keep Redis from everybody else.
    for (let from = 0; from < entries.length; from += batch) {
      const some = entries.slice(from, from + batch)
      const sessions = await Promise.all(some.map(({ value }) => read(value)))
      found.push(...sessions.filter((session) => session !== undefined))
      const isOld = (score: number) => score - lifetimes.absoluteTimeout < clock.now() - entryAllowance
      const missing = some.filter(({ score }, index) => sessions[index] === undefined && isOld(score))
      const gone = await Promise.all(missing.map(({ value }) => isGone(value)))
      const handles = missing.map(({ value }) => value).filter((_handle, index) => gone[index])
      if (handles.length > 0) await connection.run((client) => client.zRem(name, handles))
    }
    return found
  }

  return {
    keysOf: (groups) => groups.flatMap((group) => toIndexKeys(group).slice(0, 1)),

    async add(names, handle, absoluteExpiresAt) {
      const args = [clock.now(), absoluteExpiresAt, handle, lifetimes.absoluteTimeout]
      await Promise.all(
        names.map((name) => connection.run((client) => runScript(client, indexScript, [name], args))),
      )
    },

    async remove(names, handle) {
      await Promise.all(
        names.map((name) => connection.run((client) => client.zRem(name, handle)).catch(() => {})),
      )
    },

    async find(group) {
      const found = (await Promise.all(toIndexKeys(group).map(findIn))).flat()
      // What the provider says of a person may have changed since the entry was written.
      const ofGroup = found.filter(({ identity }) => isIn(identity, group))
      return ofGroup.sort((a, b) => a.createdAt - b.createdAt)
    },

    async cutOff(group) {
      const [key = ''] = toCutoffKeys(group)
      const args = [clock.now(), cutoffLifetime]
      await connection.run((client) => runScript(client, setScript, [key], args))
    },

    async isCutOff(groups, since) {
      const cutoffs = await Promise.all(
        groups.flatMap(toCutoffKeys).map((key) => connection.run((client) => client.get(key))),
      )
      return cutoffs.some((at) => at !== null && Number(at) > since)
    },
  }
}

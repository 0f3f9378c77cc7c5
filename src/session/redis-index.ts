import { createHmac } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { deriveKeys } from '../crypto/derive-key.ts'
import type { RedisConnection } from './redis-connection.ts'
import { runScript } from './redis-script-runner.ts'
import { indexScript } from './redis-scripts.ts'
import type { NewSession, Session } from './session.ts'
import type { SessionLifetimes, User } from './store.ts'

/**
 * The index of sessions by user and by session at the provider. It tolerates half-done writes: an entry is written before
 * its session and may outlive it, so that whoever reads the index reads each session as well.
 */
export interface SessionIndex {
  /** The indexes a session belongs into; an empty text for none. */
  keysOf(session: NewSession): { user: string; sid: string }
  add(keys: string[], handle: string, absoluteExpiresAt: number): Promise<void>
  /** Never rejects: the session is over, and what its indexes still know of it does no harm. */
  remove(keys: string[], handle: string): Promise<void>
  /** Living sessions, the oldest first. */
  findByUser(user: User): Promise<Session[]>
  findByProviderSid(issuer: string, sid: string): Promise<Session[]>
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

  /** The names of one index, by each secret of the ring, the newest first. */
  const toNames = (kind: 'user' | 'sid', ...parts: string[]) =>
    keys.map((key) => {
      const name = createHmac('sha256', key)
        .update(JSON.stringify([kind, ...parts]))
        .digest('base64url')
      return `portico:index:{${name}}`
    })

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

  async function find(names: string[]): Promise<Session[]> {
    const found = (await Promise.all(names.map(findIn))).flat()
    return found.sort((a, b) => a.createdAt - b.createdAt)
  }

  return {
    keysOf({ identity: { issuer, sub, providerSid } }) {
      const [user = ''] = toNames('user', issuer, sub)
      const [sid = ''] = providerSid === undefined ? [] : toNames('sid', issuer, providerSid)
      return { user, sid }
    },

    async add(names, handle, absoluteExpiresAt) {
      const args = [clock.now(), absoluteExpiresAt, handle, lifetimes.absoluteTimeout]
      const known = names.filter((name) => name !== '')
      await Promise.all(
        known.map((name) => connection.run((client) => runScript(client, indexScript, [name], args))),
      )
    },

    async remove(names, handle) {
      const known = names.filter((name) => name !== '')
      await Promise.all(
        known.map((name) => connection.run((client) => client.zRem(name, handle)).catch(() => {})),
      )
    },

    findByUser: ({ issuer, sub }) => find(toNames('user', issuer, sub)),
    findByProviderSid: (issuer, sid) => find(toNames('sid', issuer, sid)),
  }
}

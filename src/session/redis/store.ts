import type { Clock } from '../../clock.ts'
import { deriveKeys } from '../../crypto/derive-key.ts'
import { createSealer } from '../../crypto/sealer.ts'
import { AppError } from '../../errors.ts'
import type { Log } from '../../telemetry/logger.ts'
import type { Session } from '../session.ts'
import { toGroups } from '../session-groups.ts'
import type { EndOptions, EndResult, SessionLifetimes, Store, TokenLock } from '../store.ts'
import {
  crossingTime,
  idleExpiry,
  isDueForTouch,
  pendingRevocationLifetime,
  tombstoneLifetime,
} from '../timeouts.ts'
import { type RedisConnection, readInfo } from './connection.ts'
import { createRevocationQueue } from './revocation-queue.ts'
import { runScript } from './script-runner.ts'
import * as scripts from './scripts.ts'
import { createSessionIndex } from './session-index.ts'
import { createSessionRecords } from './session-record.ts'
import { createRedisSharedState } from './shared-state.ts'

interface RedisStoreOptions {
  connection: RedisConnection
  /** Master secrets, newest first. */
  secrets: readonly Uint8Array[]
  lifetimes: SessionLifetimes
  clock: Clock
  log: Log
}

/** Redis forgets a session this much after its time, which the replicas' clocks decide; in milliseconds. */
const clockAllowance = 60_000

/** A session's keys have one hash tag, so that a cluster keeps them on one node. */
const sessionKey = (handle: string) => `portico:session:{${handle}}`
const lockKey = (handle: string) => `portico:lock:{${handle}}`

/** For `then`: whether it came about. */
const asBoolean = [() => true, () => false] as const

/**
 * Creates the store that replicas share. Redis knows no token, no cookie and no name of a person: keys are made from
 * hashes, values are sealed with keys that the master secrets derive, and bound to their session.
 */
export function createRedisStore({ connection, secrets, lifetimes, clock, log }: RedisStoreOptions): Store {
  const records = createSessionRecords(createSealer(secrets, 'session-at-rest'))
  const [counterSecret = Buffer.alloc(0)] = deriveKeys(secrets, 'store-index')

  const write = (script: string, keys: string[], ...args: (string | number)[]) =>
    connection.run((client) => runScript(client, script, keys, args))

  function readFields(handle: string): Promise<Record<string, string>> {
    return connection.run((client) =>
      client.hGetAll(sessionKey(handle)).catch((error: unknown) => {
        // Something that is no hash is no session either.
        if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return { v: 'WRONGTYPE' }
        throw error
      }),
    )
  }

  async function isGone(handle: string): Promise<boolean> {
    const { v: format = 'ended' } = await readFields(handle)
    return format === 'ended'
  }

  async function read(handle: string): Promise<Session | undefined> {
    const fields = await readFields(handle)
    const { v: format } = fields
    if (format === undefined || format === 'ended') return undefined
    const session = records.open(handle, fields)
    if (session === undefined) log('session_unreadable', { session: handle, format: format.slice(0, 20) })
    return session !== undefined && session.idleExpiresAt > clock.now() ? session : undefined
  }

  const index = createSessionIndex({ connection, secrets, lifetimes, clock, read, isGone })
  const revocationQueue = createRevocationQueue({ connection, records, clock, sessionKey, readFields })

  async function end(
    handle: string,
    { byBrowser, successor, withoutRevoking }: EndOptions = {},
  ): Promise<EndResult> {
    const keys = [sessionKey(handle), lockKey(handle)]
    // First: whatever becomes of this process, somebody looks after what the session leaves. In a cluster the list may be
    // out of reach, and the session not: that stops no logout.
    const isUnlisted = withoutRevoking || successor !== undefined
    const isListed = isUnlisted || (await revocationQueue.enqueue(handle).then(...asBoolean))
    const flags = [byBrowser ? 1 : 0, successor ?? '', withoutRevoking ? 1 : 0, crossingTime]
    const answer = await write(
      scripts.endScript,
      keys,
      clock.now(),
      tombstoneLifetime,
      pendingRevocationLifetime,
      ...flags,
    )
    const texts = Array.isArray(answer) ? answer.map(String) : []
    const [alive, signedOut, before = '', indexes = '', i = '', t = '', n = '', b = ''] = texts
    await index.remove(indexes.split(' ').filter(Boolean), handle)
    if (!isListed) await revocationQueue.enqueue(handle).catch(() => {})
    return {
      wasAlive: alive === '1',
      pendingRevocation: records.openPendingRevocation(handle, { i, t, n, b }),
      successor: before || undefined,
      signedOutAt: Number(signedOut) || undefined,
    }
  }

  return {
    ...createRedisSharedState({ connection, counterSecret }),

    async create(handle, session) {
      const groups = toGroups(session.identity)
      const indexes = index.keysOf(groups)
      const now = clock.now()
      const absoluteExpiresAt = now + lifetimes.absoluteTimeout
      const idleExpiresAt = idleExpiry(now, absoluteExpiresAt, lifetimes)
      const fields = {
        v: scripts.recordFormat,
        i: records.sealIdentity(handle, session),
        t: records.sealTokens(handle, session),
        n: 1,
        c: now,
        l: now,
        x: idleExpiresAt,
        a: absoluteExpiresAt,
        g: indexes.join(' '),
      }
      // First: no session must ever live that its index does not know.
      await index.add(indexes, handle, absoluteExpiresAt)
      const created = await write(
        scripts.createScript,
        [sessionKey(handle)],
        idleExpiresAt - now + clockAllowance,
        ...Object.entries(fields).flat(),
      )
      if (created !== 1) return 'taken'
      // After: a cut-off that came too late to be seen here finds the session in its index.
      if (!(await index.isCutOff(groups, session.identity.login.startedAt))) return 'created'
      await end(handle)
      return 'cut-off'
    },

    read,

    async touch(session) {
      const now = clock.now()
      if (!isDueForTouch(session, now, lifetimes)) return session
      const idleExpiresAt = idleExpiry(now, session.absoluteExpiresAt, lifetimes)
      const touched = await write(
        scripts.touchScript,
        [sessionKey(session.handle)],
        now,
        idleExpiresAt,
        idleExpiresAt - now + clockAllowance,
      )
      return touched === 1 ? { ...session, lastSeenAt: now, idleExpiresAt } : undefined
    },

    end,

    async inherit(handle, tokens) {
      const sealed = tokens.length === 0 ? '' : records.sealInherited(handle, tokens)
      return (await write(scripts.inheritScript, [sessionKey(handle)], clock.now(), sealed)) === 1
    },

    find: index.find,
    cutOff: index.cutOff,
    keepForRevocation: revocationQueue.keep,
    readPendingRevocation: revocationQueue.read,
    completeRevocation: revocationQueue.complete,
    takeDueRevocations: revocationQueue.takeDue,

    async lockTokens(handle, lease): Promise<TokenLock> {
      const keys = [sessionKey(handle), lockKey(handle)]
      const answer = Number(await write(scripts.lockScript, keys, clock.now(), lease))
      if (answer > 0) return { state: 'locked', fence: answer }
      if (answer === 0) return { state: 'held' }
      return answer === -1 ? { state: 'ended' } : { state: 'paused', remaining: -1 - answer }
    },

    async renewTokenLock(handle, fence, lease) {
      return (await write(scripts.renewLockScript, [lockKey(handle)], fence, lease)) === 1
    },

    async unlockTokens(handle, fence, pause = 0) {
      await write(scripts.unlockScript, [lockKey(handle)], fence, pause)
    },

    async commitTokens(handle, { version, fence }, renewed) {
      // The provider may call the person by another address now.
      const renewedIndexes = index.keysOf(toGroups(renewed.identity).filter(({ by }) => by === 'email'))
      await index.add(renewedIndexes, handle, clock.now() + lifetimes.absoluteTimeout)
      const answer = await write(
        scripts.commitScript,
        [sessionKey(handle), lockKey(handle)],
        clock.now(),
        version,
        fence,
        records.sealIdentity(handle, renewed),
        records.sealTokens(handle, renewed),
      )
      if (answer === 'committed' || answer === 'stale' || answer === 'fenced') return answer
      return 'ended'
    },

    async ping() {
      // A write that needs no memory: a read-only replica is of no use, one that is full still serves sessions.
      await connection.run((client) => client.del('portico:ping'))
      const policies = readInfo(await connection.info('memory'), 'maxmemory_policy')
      const policy = policies.find((one) => one !== undefined && one !== 'noeviction')
      if (policy === undefined) return
      // Sessions that vanish are people logged out for no reason; refusing the next login is the smaller evil.
      throw new AppError('store_unavailable', 'The session store is not set up to keep sessions.', {
        reason: `maxmemory-policy is ${policy}, which drops sessions: set it to noeviction`,
      })
    },

    close: () => connection.close(),
  }
}

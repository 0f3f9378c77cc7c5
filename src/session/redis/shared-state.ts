import { createHmac } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import type { Reservation, SharedState } from '../shared-state.ts'
import type { RedisConnection } from './connection/connection.ts'
import {
  recentKey,
  toCounterKey,
  toPublishedKey,
  toReservationKey,
  toReservationTextKey,
  toSharedKey,
} from './keys.ts'
import type { RunScript } from './scripts/script-runner.ts'
import * as scripts from './scripts/shared-scripts.ts'

interface RedisSharedStateOptions {
  connection: RedisConnection
  runScript: RunScript
  /** Keys the hashes that name counters: an address could be guessed from a plain hash in a dump. */
  counterSecret: Uint8Array
  clock: Clock
}

/** Creates the state that the replicas share in addition to sessions. */
export function createRedisSharedState({
  connection,
  runScript,
  counterSecret,
  clock,
}: RedisSharedStateOptions): SharedState {
  return {
    async reserveOnce(key, lifetime) {
      const options = { condition: 'NX', expiration: { type: 'PX', value: lifetime } } as const
      return (
        (await connection.run('set', (client) => client.set(toReservationKey(key), 'held', options))) === 'OK'
      )
    },

    async settleReservation(key, { note, text }, textLifetime) {
      const keys = [toReservationKey(key), toReservationTextKey(key)]
      const args = [`settled ${note}`, text, textLifetime]
      return (await runScript(scripts.settleReservationScript, keys, ...args)) === 1
    },

    async cancelReservation(key, lifetime) {
      const before = await runScript(scripts.cancelReservationScript, [toReservationKey(key)], lifetime)
      return toReservation(typeof before === 'string' ? before : undefined, undefined)
    },

    async findReservation(key) {
      const keys = [toReservationKey(key), toReservationTextKey(key)]
      const [value, text] = await connection.run('mget', (client) => client.mGet(keys))
      return toReservation(value ?? undefined, text ?? undefined)
    },

    async publish(key, text, lifetime) {
      await runScript(scripts.setTextScript, [toPublishedKey(key)], text, lifetime)
    },

    async readPublished(key) {
      return (await connection.run('get', (client) => client.get(toPublishedKey(key)))) ?? undefined
    },

    async count(key, window) {
      const name = createHmac('sha256', counterSecret).update(key).digest('base64url')
      const answer = await runScript(scripts.countScript, [toCounterKey(name)], window)
      const [hits, remaining] = Array.isArray(answer) ? answer : []
      return { hits: Number(hits), remaining: Number(remaining) }
    },

    async appendRecent(texts, { lifetime, capacity }) {
      const now = clock.now()
      const entries = texts.map((text) => `${now + lifetime} ${text}`)
      await runScript(scripts.appendRecentScript, [recentKey], now, lifetime, capacity, ...entries)
    },

    async readRecent() {
      const entries = await connection.run('lrange', (client) => client.lRange(recentKey, 0, -1))
      return entries.flatMap((entry) => {
        const end = entry.indexOf(' ')
        return Number(entry.slice(0, end)) > clock.now() ? [entry.slice(end + 1)] : []
      })
    },

    async readVersioned(name) {
      const { text, n: version } = await connection.run('hgetall', (client) =>
        client.hGetAll(toSharedKey(name)),
      )
      return text === undefined ? undefined : { text, version: Number(version) }
    },

    async writeVersioned(name, expectedVersion, text) {
      return (await runScript(scripts.writeSharedScript, [toSharedKey(name)], expectedVersion, text)) === 1
    },
  }
}

/** Converts the value of a reservation in Redis: `held`, `cancelled`, or `settled` and the note. */
function toReservation(value: string | undefined, text: string | undefined): Reservation {
  if (value === undefined) return { state: 'open' }
  if (value === 'held' || value === 'cancelled') return { state: value }
  return { state: 'settled', note: value.slice('settled '.length), text }
}

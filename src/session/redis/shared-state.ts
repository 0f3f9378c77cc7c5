import { createHmac } from 'node:crypto'
import type { Reservation, SharedState } from '../store.ts'
import type { RedisConnection } from './connection.ts'
import { runScript } from './script-runner.ts'
import * as scripts from './scripts.ts'

interface RedisSharedStateOptions {
  connection: RedisConnection
  /** Keys the names of counters: one that may be guessed, such as an address, is worth nothing in a dump. */
  counterSecret: Uint8Array
}

/** A claim and its text have one hash tag, so that a cluster keeps them on one node. */
const toReservationKeys = (key: string) => [`portico:claim:{${key}}`, `portico:outcome:{${key}}`]
const toPublishedKey = (key: string) => `portico:published:{${key}}`

/** Where a text that all replicas share is kept. */
export const toSharedKey = (name: string): string => `portico:shared:{${name}}`

/** A claim from what Redis holds: `held`, `cancelled`, or `settled` and its note. */
function toReservation(value: string | undefined, text: string | undefined): Reservation {
  if (value === undefined) return { state: 'open' }
  if (value === 'held' || value === 'cancelled') return { state: value }
  return { state: 'settled', note: value.slice('settled '.length), text }
}

/** Creates what replicas share beside sessions. */
export function createRedisSharedState({ connection, counterSecret }: RedisSharedStateOptions): SharedState {
  const write = (script: string, keys: string[], ...args: (string | number)[]) =>
    connection.run((client) => runScript(client, script, keys, args))

  const counterKey = (name: string) =>
    `portico:count:{${createHmac('sha256', counterSecret).update(name).digest('base64url')}}`

  return {
    async reserveOnce(key, lifetime) {
      const [claimKey = ''] = toReservationKeys(key)
      const options = { condition: 'NX', expiration: { type: 'PX', value: lifetime } } as const
      return (await connection.run((client) => client.set(claimKey, 'held', options))) === 'OK'
    },

    async settle(key, { note, text }, textLifetime) {
      return (
        (await write(scripts.settleScript, toReservationKeys(key), `settled ${note}`, text, textLifetime)) ===
        1
      )
    },

    async cancelReservation(key, lifetime) {
      const before = await write(scripts.cancelScript, toReservationKeys(key).slice(0, 1), lifetime)
      return toReservation(typeof before === 'string' ? before : undefined, undefined)
    },

    async findReservation(key) {
      const [claim, text] = await connection.run((client) => client.mGet(toReservationKeys(key)))
      return toReservation(claim ?? undefined, text ?? undefined)
    },

    async publish(key, text, lifetime) {
      await write(scripts.setScript, [toPublishedKey(key)], text, lifetime)
    },

    async published(key) {
      return (await connection.run((client) => client.get(toPublishedKey(key)))) ?? undefined
    },

    async count(key, window) {
      const answer = await write(scripts.countScript, [counterKey(key)], window)
      const [hits, remaining] = Array.isArray(answer) ? answer : []
      return { hits: Number(hits), remaining: Number(remaining) }
    },

    async readShared(name) {
      const { text, n: version } = await connection.run((client) => client.hGetAll(toSharedKey(name)))
      return text === undefined ? undefined : { text, version: Number(version) }
    },

    async writeShared(name, expectedVersion, text) {
      const key = toSharedKey(name)
      return (await write(scripts.writeSharedScript, [key], expectedVersion, text)) === 1
    },
  }
}

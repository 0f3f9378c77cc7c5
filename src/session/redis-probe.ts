import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '../errors.ts'
import type { RedisConnection } from './redis-connection.ts'

/** What Redis says of itself, one item a server, and the sealed signing keys; or why it cannot be used. */
export type RedisProbe =
  | { versions: string[]; policies: string[]; ring: string | undefined }
  | { reason: string }

/** Milliseconds a connection may take to come about. */
const patience = 3_000

/** Writes a key and asks for version and eviction policy, as soon as there is a connection. */
export async function probeRedis(connection: RedisConnection): Promise<RedisProbe> {
  const giveUpAt = performance.now() + patience
  for (;;) {
    try {
      const expiration = { type: 'PX', value: 1_000 } as const
      await connection.run((client) => client.set('portico:doctor', '1', { expiration }))
      const [server, memory] = [await connection.info('server'), await connection.info('memory')]
      const read = (sections: string[], pattern: RegExp) =>
        sections.map((section) => pattern.exec(section)?.[1] ?? 'unknown')
      const { text } = await connection.run((client) => client.hGetAll('portico:shared:{signing-keys}'))
      return {
        ring: text,
        versions: read(server, /^redis_version:(\S+)/m),
        policies: read(memory, /^maxmemory_policy:(\S+)/m),
      }
    } catch (error) {
      const reason = error instanceof AppError ? (error.reason ?? error.code) : 'unknown'
      const isConnecting = reason.startsWith('not connected') || reason === 'offline'
      if (!isConnecting || performance.now() > giveUpAt) return { reason }
      await delay(50)
    }
  }
}

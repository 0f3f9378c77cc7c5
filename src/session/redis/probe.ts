import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '../../errors.ts'
import { type RedisConnection, readInfo } from './connection.ts'
import { toSharedKey } from './shared-state.ts'

/** What Redis says of itself, one item a server, and the sealed signing keys; or why it cannot be used. */
export type RedisProbe =
  | { versions: string[]; policies: string[]; ring: string | undefined }
  | { reason: string }

/** Milliseconds a connection may take to come about. */
const patience = 3_000

/** Writes a key and asks for version and eviction policy, as soon as there is a connection. */
export async function probeRedis(connection: RedisConnection, ringName: string): Promise<RedisProbe> {
  const giveUpAt = performance.now() + patience
  for (;;) {
    try {
      const expiration = { type: 'PX', value: 1_000 } as const
      await connection.run((client) => client.set('portico:doctor', '1', { expiration }))
      const [server, memory] = [await connection.info('server'), await connection.info('memory')]
      const { text } = await connection.run((client) => client.hGetAll(toSharedKey(ringName)))
      return {
        ring: text,
        versions: readInfo(server, 'redis_version').map((version) => version ?? 'unknown'),
        policies: readInfo(memory, 'maxmemory_policy').map((policy) => policy ?? 'unknown'),
      }
    } catch (error) {
      const reason = error instanceof AppError ? (error.reason ?? error.code) : 'unknown'
      const isConnecting = reason.startsWith('not connected') || reason === 'offline'
      if (!isConnecting || performance.now() > giveUpAt) return { reason }
      await delay(50)
    }
  }
}

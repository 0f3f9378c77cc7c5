import { setTimeout as delay } from 'node:timers/promises'
import { toLogReason } from '../../errors.ts'
import { type RedisConnection, readInfo } from './connection/connection.ts'
import { doctorKey, toSharedKey } from './keys.ts'

/** What each Redis server reports, and the sealed signing keys; or why Redis cannot be used. */
export type RedisProbe =
  | { versions: string[]; policies: string[]; ring: string | undefined }
  | { reason: string }

/** Milliseconds to wait for a connection. */
const connectTimeout = 3_000

/** Writes a key and asks for version and eviction policy, as soon as there is a connection. */
export async function probeRedis(connection: RedisConnection, ringName: string): Promise<RedisProbe> {
  const giveUpAt = performance.now() + connectTimeout
  for (;;) {
    try {
      const expiration = { type: 'PX', value: 1_000 } as const
      await connection.run('set', (client) => client.set(doctorKey, '1', { expiration }))
      const [server, memory] = [await connection.info('server'), await connection.info('memory')]
      const { text } = await connection.run('hgetall', (client) => client.hGetAll(toSharedKey(ringName)))
      return {
        ring: text,
        versions: readInfo(server, 'redis_version').map((version) => version ?? 'unknown'),
        policies: readInfo(memory, 'maxmemory_policy').map((policy) => policy ?? 'unknown'),
      }
    } catch (error) {
      const reason = toLogReason(error, 'unknown')
      const isConnecting = reason.startsWith('not connected')
      if (!isConnecting || performance.now() > giveUpAt) return { reason }
      await delay(50)
    }
  }
}

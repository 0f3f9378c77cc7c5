import { redisUrl } from '../../../src/config/values/redis-url.ts'
import {
  createRedisConnection,
  type RedisConnection,
} from '../../../src/session/redis/connection/connection.ts'

/** Resolves once the connection accepts commands: it is opened in the background. */
export async function connectRedis(url: string): Promise<RedisConnection> {
  const connection = createRedisConnection(redisUrl.parse(url), () => {})
  for (;;) {
    const isUp = await connection
      .run('get', (client) => client.get('x'))
      .then(
        () => true,
        () => false,
      )
    if (isUp) return connection
    await new Promise((done) => setTimeout(done, 20))
  }
}

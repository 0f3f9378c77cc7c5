import { startCluster, startRedis, type TestRedis } from '../test/support/redis/start-redis.ts'
import { adopt } from './processes.ts'

const readField = async (redis: TestRedis, section: string, field: string): Promise<number> =>
  Number(new RegExp(`^${field}:(\\S+)`, 'm').exec(String(await redis.command('INFO', section)))?.[1])

async function pinRedis(redis: TestRedis, core: number): Promise<void> {
  adopt(await readField(redis, 'server', 'process_id'), core)
}

/** Starts a Redis on a core. */
export async function startPinnedRedis(core: number): Promise<TestRedis> {
  const redis = await startRedis()
  await pinRedis(redis, core)
  return redis
}

/** Starts a Redis cluster of three on a core. */
export async function startPinnedCluster(core: number): Promise<TestRedis[]> {
  const nodes = await startCluster((node) => node)
  for (const node of nodes) await pinRedis(node, core)
  return nodes
}

/** CPU time of the thread that runs the commands, in milliseconds: one Redis cannot use more than one core. */
export async function readRedisCpu(redis: TestRedis): Promise<number> {
  const user = await readField(redis, 'cpu', 'used_cpu_user_main_thread')
  const system = await readField(redis, 'cpu', 'used_cpu_sys_main_thread')
  return (user + system) * 1000
}

/** Memory that its data and clients take, in bytes. */
export const readRedisMemory = (redis: TestRedis): Promise<number> =>
  readField(redis, 'memory', 'used_memory')

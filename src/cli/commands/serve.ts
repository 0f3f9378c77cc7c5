import cluster from 'node:cluster'
import { type Config, readConfig } from '../../config/config.ts'
import { loadEnvironment } from '../../config/environment.ts'
import type { Environment } from '../../config/read-settings.ts'
import { toLogDefect } from '../../errors.ts'
import type { RunningServer } from '../../service/server.ts'
import { serving, startWorkers, type Workers } from '../../workers.ts'

/** Starts the server, and ends it with the process. */
export async function run(): Promise<void> {
  const env = loadEnvironment()
  const config = readConfig(env)
  const server = await start(config, env)
  // logrotate sends it. Without a file, the signal of a terminal that is closed ends the process.
  if (isFile(config.log.audit)) process.on('SIGHUP', () => server.reopenAudit())
  let exitCode = 0
  let isClosing = false
  const end = (drain?: number) => {
    // A worker may get both: Ctrl+C reaches every process of a terminal, and the primary sends SIGTERM.
    if (isClosing) return
    isClosing = true
    server.close(drain).then(
      () => process.exit(exitCode),
      () => process.exit(1),
    )
  }
  // Once each: at the second Ctrl+C, Node ends the process at once, because nothing handles it any more.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => end())
  // After an error that nothing handled, also a rejection, the state of the process is unknown: it takes no
  // more requests, and those in progress are answered. The primary or an orchestrator replaces it.
  process.on('uncaughtException', (error: unknown) => {
    server.log('process_failed', toLogDefect(error))
    exitCode = 1
    end(0)
    setTimeout(() => process.exit(exitCode), endAfterFailure).unref()
  })
}

const isFile = (audit: string | undefined) => audit !== undefined && audit !== 'stdout'
/** Milliseconds in which a process ends that has failed, whatever else fails in it. */
const endAfterFailure = 25_000

/**
 * Starts the server in this process, or the workers that serve in its place. The module is loaded only here,
 * so that the primary process stays small.
 */
async function start(config: Config, env: Environment): Promise<RunningServer | Workers> {
  if (config.workers > 1 && cluster.isPrimary) return startWorkers(config)
  const { serve } = await import('../../service/server.ts')
  const server = await serve(config, env)
  cluster.worker?.send(serving)
  return server
}

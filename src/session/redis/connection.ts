import type { RedisTarget } from '../../config/values/redis-url.ts'
import { AppError } from '../../errors.ts'
import { type Log, toLogText } from '../../telemetry/logger.ts'
import {
  createDeployment,
  type Deployment,
  deadline,
  type RedisClient,
  reconnectDelay,
  toAddress,
} from './deployment.ts'

/** The connection of this process to Redis. */
export interface RedisConnection {
  /**
   * Runs commands, all of them within one deadline.
   *
   * @throws AppError `store_unavailable`, its reason the first word of Redis's error, `offline`, or `deadline passed`
   */
  run<T>(commands: (client: RedisClient) => Promise<T>): Promise<T>
  info(section: string): Promise<string[]>
  close(): Promise<void>
}

/** Milliseconds between two looks at a connection nobody uses, so that a dead one is found before somebody needs it. */
const heartbeat = 500
/** Milliseconds a new client may take to connect, of several sentinels or nodes perhaps, before another is tried. */
const connectDeadline = 3_000
/** Milliseconds between two new connections because a part of a cluster does not answer. */
const partialPause = 5_000
/** Milliseconds between two new connections because Redis says it is read-only. */
const readonlyPause = 1_000
/** Milliseconds between two remarks in the log that Redis does not answer. */
const notePause = 1_000
/** Milliseconds between two remarks in the log that Redis refuses for one reason. */
const refusalPause = 60_000

/** Creates the connection. It never gives up: it connects in the background, and again whenever Redis stops answering. */
export function createRedisConnection(target: RedisTarget, log: Log): RedisConnection {
  let current: Deployment | undefined
  /** The one that connected last: from then on it looks after itself, within the deadline of a command. */
  let connected: Deployment | undefined
  let isClosed = false
  let isUp: boolean | undefined
  let mayNoteAt = 0
  let attempts = 0
  let replacedAt = 0
  let answeredAt = 0
  let lastReason = ''
  const refusedAt = new Map<string, number>()

  /** Logs a change, at most one in each way a second: of a cluster, a part may be down. */
  function note(isUpNow: boolean, reason = ''): void {
    if (!isUpNow) lastReason = reason
    if (isUp === isUpNow || isClosed || (!isUpNow && performance.now() < mayNoteAt)) return
    isUp = isUpNow
    if (!isUp) mayNoteAt = performance.now() + notePause
    log(isUp ? 'store_connected' : 'store_unavailable', {
      redis: toAddress(target),
      ...(isUp ? {} : { reason }),
    })
  }

  /** Logs what Redis answers instead of doing what it should (READONLY, OOM, NOPERM), each at most once a minute. */
  function noteRefusal(reason: string): void {
    const now = performance.now()
    if (now < (refusedAt.get(reason) ?? Number.NEGATIVE_INFINITY) + refusalPause) return
    refusedAt.set(reason, now)
    log('store_command_refused', { redis: toAddress(target), reason })
  }

  /** Takes a new connection and drops the one before with all that waits on it. */
  function replace(): void {
    replacedAt = performance.now()
    current?.destroy()
    if (isClosed) return
    const next = createDeployment(target, attempts, (error) => note(false, toReason(error)))
    attempts += 1
    current = next
    void connect(next)
  }

  const replaceLater = (deployment: Deployment, milliseconds: number) =>
    setTimeout(() => {
      if (deployment === current) replace()
    }, milliseconds).unref()

  async function connect(deployment: Deployment): Promise<void> {
    const timer = replaceLater(deployment, connectDeadline)
    try {
      await deployment.connect()
      if (deployment !== current) return
      connected = deployment
      note(true)
    } catch (error) {
      if (deployment !== current || isClosed) return
      note(false, toReason(error))
      replaceLater(deployment, reconnectDelay)
    } finally {
      clearTimeout(timer)
    }
  }

  async function run<T>(commands: (deployment: Deployment) => Promise<T>): Promise<T> {
    const deployment = current
    if (deployment === undefined) throw createStoreUnavailable('closed')
    if (deployment !== connected) throw createStoreUnavailable(`not connected: ${lastReason}`)
    let timer: NodeJS.Timeout | undefined
    const startedAt = performance.now()
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        // Frozen, or behind a network that swallows everything: only another connection can tell. Where others were
        // answered meanwhile, it is one node of a cluster, whose place another one may have taken: not at once, then.
        const isDead = answeredAt < startedAt
        if (deployment === current && (isDead || performance.now() > replacedAt + partialPause)) replace()
        note(false, 'deadline passed')
        reject(createStoreUnavailable('deadline passed'))
      }, deadline)
    })
    try {
      const result = await Promise.race([commands(deployment), late])
      answeredAt = performance.now()
      note(true)
      return result
    } catch (error) {
      if (error instanceof AppError) throw error
      const reason = toReason(error)
      if (isRefusal(error)) noteRefusal(reason)
      // What answers was a master once and is none any more; its name may lead to another server by now.
      if (reason === 'READONLY' && deployment === current && performance.now() > replacedAt + readonlyPause) {
        replace()
      }
      throw createStoreUnavailable(reason, error)
    } finally {
      clearTimeout(timer)
    }
  }

  replace()
  const pulse = setInterval(
    () => void run(({ client }) => client.get('portico:ping')).catch(() => {}),
    heartbeat,
  )
  pulse.unref()

  return {
    run: (commands) => run(({ client }) => commands(client)),
    info: (section) => run((deployment) => deployment.info(section)),
    async close() {
      isClosed = true
      clearInterval(pulse)
      current?.destroy()
      current = undefined
    },
  }
}

function createStoreUnavailable(reason: string, cause?: unknown): AppError {
  return new AppError(
    'store_unavailable',
    'The session store does not answer right now. Try again in a moment.',
    {
      reason,
      cause,
    },
  )
}

/** Redis's own errors begin with a word of capitals: READONLY, OOM, NOAUTH. */
const isRefusal = (error: unknown): boolean => error instanceof Error && /^[A-Z]{2,} /.test(error.message)

/** The word of Redis's own error, with the text where that word says nothing; of all others the name or code. */
function toReason(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const [word = ''] = error.message.split(' ')
  if (isRefusal(error)) return word === 'ERR' ? toLogText(error.message).slice(0, 80) : word
  return toLogText('code' in error && typeof error.code === 'string' ? error.code : error.constructor.name)
}

/** A field of INFO, of each server; undefined where one does not tell. */
export const readInfo = (sections: readonly string[], field: string): (string | undefined)[] =>
  sections.map((section) => new RegExp(`^${field}:(\\S+)`, 'm').exec(section)?.[1])

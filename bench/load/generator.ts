import { createBrowser, type Dialect } from './browser.ts'
import { type Answer, type Connection, openConnection } from './connection.ts'

/** What the generator is asked to do, by a message of its parent process. */
export interface Job {
  operation: 'bare' | 'check' | 'login-start' | 'login' | 'token' | 'refresh'
  port: number
  dialect: Dialect
  /** Requests that are in flight at the same time. */
  connections: number
  /** Stops after so many operations, or so many milliseconds. */
  operations?: number
  duration?: number
  /** Operations a second, whether earlier ones have been answered or not; as fast as possible without it. */
  rate?: number
}

/** What was done; latencies only of an open loop, in milliseconds, sorted. */
export interface JobResult {
  operations: number
  seconds: number
  latencies: number[]
}

type Operation = () => Promise<unknown>

/** Session cookies survive between jobs, so that a check does not measure logins. */
const signedIn = new Map<string, Operation[]>()

process.on('message', async (job: Job) => {
  try {
    const operations = await prepare(job)
    process.send?.(job.rate === undefined ? await runClosed(job, operations) : await runOpen(job, operations))
  } catch (error) {
    process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
})

/** One operation for each connection, ready to be repeated. */
async function prepare(job: Job): Promise<Operation[]> {
  const key = JSON.stringify([job.port, job.operation, job.connections, job.dialect.check])
  const known = signedIn.get(key)
  if (known !== undefined) return known
  const operations = await Promise.all(Array.from({ length: job.connections }, () => createOperation(job)))
  signedIn.set(key, operations)
  return operations
}

async function createOperation({ operation, port, dialect }: Job): Promise<Operation> {
  const connection = await openConnection(port)
  const browser = createBrowser(connection, port, dialect)
  switch (operation) {
    case 'login-start': {
      return async () => expectStatus(await createBrowser(connection, port, dialect).beginLogin(), [200, 302])
    }
    case 'bare':
      return repeat(connection, browser.checkRequest())
    case 'login':
      return () => createBrowser(connection, port, dialect).signIn('fresh')
    case 'check': {
      await browser.signIn('fresh')
      return repeat(connection, browser.checkRequest())
    }
    case 'token': {
      await browser.signIn('fresh')
      return repeat(connection, browser.tokenRequest())
    }
    case 'refresh': {
      await browser.signIn('expired')
      return repeat(connection, browser.tokenRequest())
    }
  }
}

function repeat(connection: Connection, request: string): Operation {
  return async () => expectStatus(await connection.send(request), [200])
}

function expectStatus(answer: Answer, expected: number[]): void {
  if (!expected.includes(answer.status)) throw new Error(`${answer.head}\n${answer.body.slice(0, 300)}`)
}

/** Each connection sends its next request as soon as the last one is answered. */
async function runClosed({ operations: limit, duration }: Job, each: Operation[]): Promise<JobResult> {
  const startedAt = performance.now()
  const until = duration === undefined ? Number.POSITIVE_INFINITY : startedAt + duration
  let begun = 0
  let done = 0
  await Promise.all(
    each.map(async (operation) => {
      while (performance.now() < until && begun < (limit ?? Number.POSITIVE_INFINITY)) {
        begun += 1
        await operation()
        done += 1
      }
    }),
  )
  return { operations: done, seconds: (performance.now() - startedAt) / 1000, latencies: [] }
}

/**
 * Sends at a steady rate, whether earlier requests are answered or not. A request that finds no idle
 * connection waits for one, and that time counts: a server that stalls is charged for all that would have
 * come.
 */
async function runOpen({ rate = 1, duration = 1000 }: Job, each: Operation[]): Promise<JobResult> {
  const idle = [...each]
  const waiting: number[] = []
  const latencies: number[] = []
  const startedAt = performance.now()
  const total = Math.floor((rate * duration) / 1000)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let due = 0

  const start = (operation: Operation, at: number): void => {
    operation().then(() => {
      latencies.push(performance.now() - at)
      const next = waiting.shift()
      if (next === undefined) idle.push(operation)
      else start(operation, next)
      if (latencies.length === total) resolve()
    }, reject)
  }
  const timer = setInterval(() => {
    const now = performance.now()
    for (const until = Math.min(total, ((now - startedAt) * rate) / 1000); due < until; due += 1) {
      const operation = idle.pop()
      if (operation === undefined) waiting.push(now)
      else start(operation, now)
    }
  }, 1)
  await promise.finally(() => clearInterval(timer))
  return {
    operations: total,
    seconds: (performance.now() - startedAt) / 1000,
    latencies: latencies.sort((a, b) => a - b),
  }
}

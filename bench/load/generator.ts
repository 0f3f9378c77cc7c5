import { type Browser, createBrowser, type Dialect, describe } from './browser.ts'
import { type Answer, type Connection, createConnection } from './connection.ts'

/** What the generator is asked to do, by a message of its parent process. */
export interface Job {
  operation: 'bare' | 'check' | 'token' | 'login-start' | 'login' | 'refresh' | 'proxied-get' | 'forward-auth'
  port: number
  dialect: Dialect
  /** Requests that are in flight at the same time. */
  connections: number
  /** Sessions that the connections use in turn; `refresh` needs as many as operations. */
  sessions: number
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

type Operation = () => Promise<void>

process.on('message', async (job: Job) => {
  try {
    const operation = await createOperation(job)
    const each = connectionsTo(job).map((connection) => () => operation(connection))
    process.send?.(job.rate === undefined ? await runClosed(job, each) : await runOpen(job, each))
  } catch (error) {
    process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
})

const opened = new Map<string, Connection[]>()

/** The connections survive between jobs, so that no job measures how they are opened. */
function connectionsTo({ port, connections }: Job): Connection[] {
  const key = `${port} ${connections}`
  const known = opened.get(key) ?? Array.from({ length: connections }, () => createConnection(port))
  opened.set(key, known)
  return known
}

/** What one connection is asked to do again and again. */
async function createOperation(job: Job): Promise<(connection: Connection) => Promise<void>> {
  const newBrowser = (connection: Connection) => createBrowser(connection, job.port, job.dialect)
  switch (job.operation) {
    case 'bare': {
      const request = newBrowser(createConnection(job.port)).checkRequest()
      return async (connection) => expectAnswer(await connection.send(request), { body: 'ok' })
    }
    case 'login-start':
      return async (connection) => {
        const answer = await newBrowser(connection).beginLogin()
        if (answer.status !== 200 && answer.status !== 302) throw new Error(describe('a login start', answer))
      }
    case 'login':
      return (connection) => newBrowser(connection).signIn('fresh')
    case 'check':
      return repeatInTurn(await signIn(job, 'fresh', (browser) => browser.checkRequest()), {
        body: '@example.com',
      })
    case 'token':
      return repeatInTurn(await signIn(job, 'fresh', (browser) => browser.tokenRequest()), {
        body: 'expires_',
      })
    case 'refresh':
      return repeatInTurn(await signIn(job, 'short', (browser) => browser.tokenRequest()), {
        body: 'expires_',
      })
    case 'proxied-get':
      return repeatInTurn(await signIn(job, 'fresh', (browser) => browser.proxiedRequest()), {
        body: '"order"',
      })
    case 'forward-auth': {
      const { status, proof } = job.dialect.forwardAuth
      return repeatInTurn(await signIn(job, 'fresh', (browser) => browser.forwardAuthRequest()), {
        status,
        head: proof,
      })
    }
  }
}

/** A request of each session, in the order in which they are used. */
interface Requests {
  readonly all: readonly string[]
  next: number
}

const signedIn = new Map<string, Requests>()

/** Signs users in; their sessions survive between jobs, so that a check does not measure logins. */
async function signIn(
  job: Job,
  kind: 'fresh' | 'short',
  toRequest: (browser: Browser) => string,
): Promise<Requests> {
  const key = JSON.stringify([job.port, job.operation, job.sessions, job.dialect.check])
  const known = signedIn.get(key)
  if (known !== undefined) return known
  const all: string[] = []
  let begun = 0
  await Promise.all(
    connectionsTo(job).map(async (connection) => {
      while (begun < job.sessions) {
        begun += 1
        const browser = createBrowser(connection, job.port, job.dialect)
        await browser.signIn(kind)
        all.push(toRequest(browser))
      }
    }),
  )
  const requests = { all, next: 0 }
  signedIn.set(key, requests)
  return requests
}

function repeatInTurn(requests: Requests, proof: Proof): (connection: Connection) => Promise<void> {
  return async (connection) => {
    const request = requests.all[requests.next] ?? ''
    requests.next = (requests.next + 1) % requests.all.length
    expectAnswer(await connection.send(request), proof)
  }
}

/** What an answer must have and contain: a server that has lost the session answers faster. */
interface Proof {
  /** 200 without it. */
  status?: number
  head?: string
  body?: string
}

function expectAnswer(answer: Answer, { status = 200, head = '', body = '' }: Proof): void {
  const isProven = answer.status === status && answer.head.includes(head) && answer.body.includes(body)
  if (!isProven) throw new Error(describe('a call', answer))
}

/** Each connection sends its next request as soon as the last one is answered. */
async function runClosed({ operations: limit, duration }: Job, each: Operation[]): Promise<JobResult> {
  const startedAt = performance.now()
  const until = duration === undefined ? Number.POSITIVE_INFINITY : startedAt + duration
  let begun = 0
  await Promise.all(
    each.map(async (operation) => {
      while (performance.now() < until && begun < (limit ?? Number.POSITIVE_INFINITY)) {
        begun += 1
        await operation()
      }
    }),
  )
  return { operations: begun, seconds: (performance.now() - startedAt) / 1000, latencies: [] }
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
  const total = Math.max(1, Math.floor((rate * duration) / 1000))
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

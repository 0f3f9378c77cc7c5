import { setTimeout as delay } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { createTestBrowser, type TestBrowser } from '../browser.ts'
import { csrf } from '../login.ts'
import { startTcpProxy, type TcpProxy } from '../network/tcp-proxy.ts'
import { publicUrl, testSecret } from '../portico.ts'
import type { ProviderOrder, ProviderState } from '../processes/rotating-provider.ts'
import { startProcess, type TestProcess } from '../processes/start-process.ts'
import { type ada, signInAtOkta } from '../providers/okta.ts'
import { startRedis, type TestRedis } from '../redis/start-redis.ts'
import { type Balancer, startBalancer } from './balancer.ts'

/** One server process, which reaches Redis through its own proxy. */
export interface Replica {
  process: TestProcess
  port: number
  url: string
  redis: TcpProxy
}

/** An answer, and how long it took in milliseconds. */
export interface Answer {
  status: number
  code: string | undefined
  retryAfter: string | undefined
  setCookie: boolean
  took: number
}

export const timesOf = (answers: readonly Answer[]): number[] => answers.map(({ took }) => took)
export const slowest = (answers: readonly Answer[]): number => Math.max(...timesOf(answers))

/**
 * Several server processes behind a balancer, with a real Redis and a real provider in their own processes.
 */
export interface Fleet {
  replicas: Replica[]
  redis: TestRedis
  balancer: Balancer
  issuer: string
  /** Orders the provider to do something; resolves with its state. */
  provider(order?: ProviderOrder): Promise<ProviderState>
  providerProcess: TestProcess
  /** Moves the clock of every process, by milliseconds. */
  advance(milliseconds: number): Promise<void>
  /** Starts one more replica; `tree` is the root of another version of this tree. */
  start(env?: Record<string, string>, tree?: string): Promise<Replica>
  /** Signs a user in; `at` is where the browser goes, the balancer by default. */
  signIn(options?: { at?: string; browser?: TestBrowser; person?: typeof ada }): Promise<TestBrowser>
  /** Asks for an app token with the cookies of a browser, at one replica or the balancer. */
  askToken(browser: TestBrowser, at?: string): Promise<Answer>
  call(browser: TestBrowser, method: 'GET' | 'POST' | 'DELETE', path: string, at?: string): Promise<Answer>
  /** Returns the browser as it is at another address: cookies do not depend on the port. */
  moved(browser: TestBrowser, at: string): TestBrowser
  close(): Promise<void>
}

export interface FleetOptions {
  replicas?: number
  env?: Record<string, string>
  provider?: Record<string, string>
}

const clientSecret = testSecret()

const isRunning = ({ process }: Replica) =>
  process.child.exitCode === null && process.child.signalCode === null

/** Where this process is too busy to send what it began, the server closes the connection: it is asked again. */
const isReady = ({ url }: Replica) =>
  fetch(`${url}/readyz`).then(
    ({ status }) => status === 200,
    () => false,
  )

/** Sends an order to a child process and resolves with the first reply that `read` finds something in. */
function order<T>(
  { child }: TestProcess,
  message: object,
  read: (reply: never) => T | undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const onReply = (reply: unknown) => {
      const value = read(reply as never)
      if (value === undefined) return
      child.off('message', onReply)
      resolve(value)
    }
    child.on('message', onReply)
    child.send(message, (error) => {
      if (error !== null) reject(error)
    })
  })
}

export async function startFleet({
  replicas: count = 3,
  env = {},
  provider: providerEnv = {},
}: FleetOptions = {}): Promise<Fleet> {
  const secrets = testSecret()
  const redis = await startRedis()
  const replicas: Replica[] = []
  const balancer = await startBalancer(() => replicas.filter(isRunning).map(({ port }) => port))
  const travelling = { timeTravel: true }
  const providerProcess = startProcess(
    'test/support/processes/rotating-provider.ts',
    [],
    {
      CLIENT_ID: 'portico-test',
      CLIENT_SECRET: clientSecret,
      REDIRECT_URI: `${publicUrl}/api/callback`,
      BACKCHANNEL_URI: `${balancer.url}/api/backchannel-logout`,
      ...providerEnv,
    },
    travelling,
  )
  const issuer = await providerProcess.line(/^http:/)
  const agent = new Agent({ connections: 200 })
  let travelled = 0

  async function start(more: Record<string, string> = {}, tree?: string): Promise<Replica> {
    const proxy = await startTcpProxy(redis.port)
    const process = startProcess(
      'src/main.ts',
      ['serve'],
      {
        PUBLIC_URL: publicUrl,
        HOST: '127.0.0.1',
        PORT: '0',
        BFF_SECRETS: secrets,
        OIDC_ISSUER: issuer,
        OIDC_CLIENT_ID: 'portico-test',
        OIDC_CLIENT_SECRET: clientSecret,
        OIDC_SCOPES: 'openid profile email groups offline_access orders:read',
        REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
        RATE_LIMIT_LOGIN: 'off',
        RATE_LIMIT_API: 'off',
        SHUTDOWN_DRAIN: '0s',
        CLOCK_OFFSET: String(travelled),
        ...env,
        ...more,
      },
      { ...travelling, ...(tree !== undefined && { tree }) },
    )
    const { port } = JSON.parse(await process.line(/"server_listening"/)) as { port: number }
    const replica = { process, port, url: `http://127.0.0.1:${port}`, redis: proxy }
    while (!(await isReady(replica))) await delay(10)
    replicas.push(replica)
    return replica
  }

  const travel = (process: TestProcess, milliseconds: number) =>
    order(process, { advance: milliseconds }, (reply: { advanced?: number }) => reply.advanced)

  await Promise.all(Array.from({ length: count }, () => start()))

  async function call(
    browser: TestBrowser,
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    at: string = balancer.url,
  ): Promise<Answer> {
    const cookie = [...browser.cookies(balancer.url)].map(([name, value]) => `${name}=${value}`).join('; ')
    const began = performance.now()
    const { statusCode, headers, body } = await request(at + path, {
      method,
      dispatcher: agent,
      headers: {
        ...csrf,
        cookie,
        accept: 'application/json',
        'sec-fetch-mode': 'cors',
        'sec-fetch-site': 'same-origin',
      },
    })
    const text = await body.text()
    return {
      status: statusCode,
      code: /"code":"([a-z_]+)"/.exec(text)?.[1],
      retryAfter: headers['retry-after']?.toString(),
      setCookie: headers['set-cookie'] !== undefined,
      took: performance.now() - began,
    }
  }

  function moved(browser: TestBrowser, at: string): TestBrowser {
    const copy = createTestBrowser()
    for (const [name, value] of browser.cookies(balancer.url)) copy.setCookie(at, name, value)
    return copy
  }

  return {
    replicas,
    redis,
    balancer,
    issuer,
    providerProcess,
    provider: (what = {}) => order(providerProcess, what, (reply: { state?: ProviderState }) => reply.state),
    async advance(milliseconds) {
      travelled += milliseconds
      const processes = [providerProcess, ...replicas.filter(isRunning).map(({ process }) => process)]
      await Promise.all(processes.map((process) => travel(process, milliseconds)))
    },
    start,
    async signIn({ at = balancer.url, browser = createTestBrowser(), person } = {}) {
      const answer = await browser.fetch(`${at}/api/login`)
      if (answer.status !== 200) throw new Error(`the login's start answered ${answer.status}`)
      const { login_url: loginUrl } = (await answer.json()) as { login_url: string }
      const callback = await signInAtOkta(browser, loginUrl, person)
      const response = await browser.fetch(`${at}/api/callback${callback.search}`)
      if (response.status !== 200)
        throw new Error(`sign-in answered ${response.status}: ${await response.text()}`)
      return browser
    },
    askToken: (browser, at) => call(browser, 'POST', '/api/token', at),
    call,
    moved,
    async close() {
      await agent.close()
      await balancer.close()
      for (const replica of replicas) {
        replica.process.child.kill('SIGCONT')
        await replica.process.stop('SIGKILL')
        await replica.redis.close()
      }
      await providerProcess.stop('SIGKILL')
      await redis.close()
    },
  }
}

import { setTimeout as delay } from 'node:timers/promises'
import { decodeProtectedHeader } from 'jose'
import type { Clock } from '../../../src/clock.ts'
import { type AppTokenClaims, createTokenVerifier, type VerifyToken } from '../../../src/verify/verify.ts'
import { type BrowserRequest, createTestBrowser, type TestBrowser } from '../browser.ts'
import { csrf } from '../login.ts'
import { visitPortico } from '../logout.ts'
import { publicUrl } from '../portico.ts'
import { ada, alan, signInAtOkta, signOutAtOkta } from '../providers/okta.ts'

/** A user in a browser of their own. */
interface Visitor {
  browser: TestBrowser
  person: typeof ada
  /** Calls in progress; a user who signs out waits for them. */
  calls: number
  /** When the login of the session began, by `performance.now()`. */
  signedInAt: number
}

/** What a visitor does; it may be several requests. */
export type Act =
  | 'check'
  | 'token'
  | 'proxied-get'
  | 'proxied-post'
  | 'proxied-slow'
  | 'forward-auth'
  | 'keys'
  | 'sign-out-and-in'

/** A request that was not answered as expected. */
export interface Failure {
  request: string
  reason: string
}

/** Users who are signed in, and what became of their requests. */
export interface Visitors {
  /** Signs so many in; a failure is thrown. */
  arrive(count: number): Promise<void>
  /** Does it for the visitor whose turn it is; resolves when it is done, and never rejects. */
  act(act: Act): Promise<void>
  /** Whether every session, and every login in progress, began after that, by `performance.now()`. */
  allSince(time: number): boolean
  readonly requests: number
  readonly counts: ReadonlyMap<string, number>
  readonly failures: readonly Failure[]
  /** The ids of the keys that have signed app tokens. */
  readonly keys: ReadonlySet<string>
  /** Milliseconds from when each request was sent to the end of its answer. */
  readonly latencies: readonly number[]
}

/** What an answer has to be. */
interface Expected {
  status?: number
  /** Found in the body. */
  body?: string | RegExp
  header?: readonly [name: string, value: string]
}

const bodyLength = 20_000
/** App tokens that are verified again later; fewer than are issued while one is valid. */
const keptTokens = 40

/** Creates visitors of the servers behind an address; `clock` is that of the servers. */
export function createVisitors(url: string, clock: Clock): Visitors {
  const pool: Visitor[] = []
  /** Those who sign out and in, with the time at which that began. */
  const away = new Map<Visitor, number>()
  const counts = new Map<string, number>()
  const failures: Failure[] = []
  const latencies: number[] = []
  const tokens: { token: string; sub: string }[] = []
  const keys = new Set<string>()
  const createVerifier = () =>
    waitForKeys(createTokenVerifier({ issuer: publicUrl, jwksUri: `${url}/.well-known/jwks.json`, clock }))
  /** As an API that runs all the time: it knows the keys, and reads them again as rarely as it may. */
  const verifyWithKnownKeys = createVerifier()
  let turn = 0
  let requests = 0
  let logins = 0

  /** Sends a request, and throws where its answer is not the expected one. */
  async function send(
    name: string,
    request: () => Promise<Response>,
    { status = 200, body = '', header }: Expected = {},
  ): Promise<{ response: Response; text: string }> {
    requests += 1
    counts.set(name, (counts.get(name) ?? 0) + 1)
    const sentAt = performance.now()
    const response = await request()
    const text = await response.clone().text()
    latencies.push(performance.now() - sentAt)
    const isExpected =
      response.status === status &&
      (typeof body === 'string' ? text.includes(body) : body.test(text)) &&
      (header === undefined || response.headers.get(header[0]) === header[1])
    if (!isExpected) throw new Error(`${name}: ${response.status} ${text.slice(0, 300)}`)
    return { response, text }
  }

  const call = (name: string, { browser }: Visitor, path: string, init: BrowserRequest, expected: Expected) =>
    send(name, () => browser.fetch(url + path, { ...init, headers: { ...csrf, ...init.headers } }), expected)

  async function keep({ person: { sub } }: Visitor, text: string): Promise<void> {
    const { token } = JSON.parse(text) as { token: string }
    await verifyWithKnownKeys(token)
    keys.add(decodeProtectedHeader(token).kid ?? '')
    tokens.push({ token, sub })
    if (tokens.length > keptTokens) tokens.shift()
  }

  /** Signs a visitor in; every other one as a page, by navigations, the others by an SPA's calls. */
  async function signIn(visitor: Visitor): Promise<void> {
    const { browser, person } = visitor
    visitor.signedInAt = performance.now()
    logins += 1
    if (logins % 2 === 0) {
      const begun = await send('login', () => browser.visit(`${url}/api/login`), { status: 302 })
      const callback = await signInAtOkta(browser, begun.response.headers.get('location') ?? '', person)
      const back = () => browser.arrive(`${url}/api/callback${callback.search}`)
      await send('callback', back, { status: 303, header: ['location', '/'] })
      return
    }
    const begun = await send('login', () => browser.fetch(`${url}/api/login`), { body: '"login_url"' })
    const { login_url: loginUrl } = JSON.parse(begun.text) as { login_url: string }
    const callback = await signInAtOkta(browser, loginUrl, person)
    const back = () => browser.fetch(`${url}/api/callback${callback.search}`)
    const { text } = await send('callback', back, { body: `"sub":"${person.sub}"` })
    await keep(visitor, text)
  }

  /** Signs a visitor out, here and at the provider, from which the browser comes back. */
  async function signOut(visitor: Visitor): Promise<void> {
    const { browser } = visitor
    const { text } = await call('logout', visitor, '/api/logout', { method: 'POST' }, { body: 'ticket=' })
    await call('check', visitor, '/api/session', {}, { body: '"active":false' })
    const { logout_url: logoutUrl } = JSON.parse(text) as { logout_url: string }
    const leave = () => visitPortico({ url }, browser, logoutUrl)
    const { response } = await send('logout at provider', leave, { status: 303 })
    const callback = await signOutAtOkta(browser, response.headers.get('location') ?? '')
    const back = () => browser.arrive(url + callback.pathname + callback.search)
    await send('logout callback', back, { status: 303, header: ['location', '/'] })
  }

  /** The user who signed in first of all signs out, and in again. */
  async function signOutAndIn(): Promise<void> {
    const visitor = pool.shift()
    if (visitor === undefined) return
    away.set(visitor, performance.now())
    try {
      // A call that meets the logout would rightly be refused.
      while (visitor.calls > 0) await delay(1)
      await signOut(visitor)
      await signIn(visitor)
      pool.push(visitor)
    } finally {
      away.delete(visitor)
    }
  }

  /** Reads the keys as an API does that has just started, and verifies tokens with them, old ones included. */
  async function verifyTokens(): Promise<void> {
    await send('keys', () => fetch(`${url}/.well-known/jwks.json`), { body: '"kid"' })
    const verify = createVerifier()
    for (const { token, sub } of [...tokens]) {
      const claims = await verify(token)
      if (claims.sub !== sub) throw new Error('keys: a token is another user’s')
    }
    requests += 1
    counts.set('keys', (counts.get('keys') ?? 0) + 1)
  }

  const acts: Record<Exclude<Act, 'keys' | 'sign-out-and-in'>, (visitor: Visitor) => Promise<unknown>> = {
    check: (visitor) => call('check', visitor, '/api/session', {}, { body: `"sub":"${visitor.person.sub}"` }),
    async token(visitor) {
      const expected = { body: `"sub":"${visitor.person.sub}"` }
      const { text } = await call('token', visitor, '/api/token', { method: 'POST' }, expected)
      await keep(visitor, text)
    },
    'proxied-get': (visitor) =>
      call('proxied GET', visitor, '/api/proxy/orders/me', {}, { body: `"sub":"${visitor.person.login}"` }),
    'proxied-post': (visitor) =>
      call(
        'proxied POST',
        visitor,
        '/api/proxy/orders/body',
        { method: 'POST', body: 'x'.repeat(bodyLength) },
        { body: `{"received":${bodyLength}}` },
      ),
    // Longer than a server that stops says "not ready": it has to let it finish.
    'proxied-slow': (visitor) =>
      call(
        'proxied slow GET',
        visitor,
        '/api/proxy/orders/slow?pause=600',
        {},
        { body: /(piece\n){4}end\n/ },
      ),
    'forward-auth': (visitor) =>
      call(
        'forward auth',
        visitor,
        '/api/forward-auth',
        { headers: { 'x-original-method': 'GET', 'x-original-uri': '/orders/5' } },
        { header: ['x-auth-subject', visitor.person.sub] },
      ),
  }

  async function attempt(act: Act): Promise<void> {
    if (act === 'keys') return verifyTokens()
    if (act === 'sign-out-and-in') return signOutAndIn()
    turn += 1
    const visitor = pool[turn % pool.length]
    if (visitor === undefined) throw new Error('no visitor is signed in')
    visitor.calls += 1
    try {
      await acts[act](visitor)
    } finally {
      visitor.calls -= 1
    }
  }

  return {
    async arrive(count) {
      for (let index = 0; index < count; index += 1) {
        const person = index % 2 === 0 ? ada : alan
        const visitor = { browser: createTestBrowser(), person, calls: 0, signedInAt: 0 }
        await signIn(visitor)
        pool.push(visitor)
      }
      requests = 0
      counts.clear()
      latencies.length = 0
    },
    async act(act) {
      try {
        await attempt(act)
      } catch (error) {
        failures.push({ request: act, reason: error instanceof Error ? describe(error) : String(error) })
      }
    },
    allSince: (time) =>
      pool.every(({ signedInAt }) => signedInAt > time) && [...away.values()].every((began) => began > time),
    get requests() {
      return requests
    },
    counts,
    failures,
    keys,
    latencies,
  }
}

/** Asks again where the keys came too late: a late answer is not a failed one. */
const waitForKeys =
  (verifyToken: VerifyToken) =>
  async (token: string): Promise<AppTokenClaims> => {
    for (;;) {
      try {
        return await verifyToken({ headers: { authorization: `Bearer ${token}` } })
      } catch (error) {
        const unreachable = error instanceof Error && error.cause
        const isLate =
          unreachable instanceof Error && (unreachable.cause as Error | undefined)?.name === 'TimeoutError'
        if (!isLate) throw error
        await delay(50)
      }
    }
  }

const describe = ({ message, cause }: Error) =>
  cause instanceof Error ? `${message} (${cause.message})` : message

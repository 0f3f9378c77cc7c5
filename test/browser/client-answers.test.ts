import type express from 'express'
import { decodeJwt } from 'jose'
import { describe, expect, test } from 'vitest'
import {
  arriveAtCallback,
  call,
  clientPages,
  context,
  expectStatus,
  open,
  openAfterLogin,
  openSignedIn,
  site,
  startSite,
  stateOf,
  switchToAlan,
} from '../support/chromium/client-pages.ts'
import { signInAsAda } from '../support/chromium/demo.ts'

/** What the client makes of what servers answer: faults in front of Portico, and APIs. */
clientPages()

describe('what is not an answer of Portico', () => {
  test.each<[string, string, express.RequestHandler]>([
    ['an empty 502', 'unexpected_response', (_req, res) => void res.status(502).end()],
    ['an HTML 404', 'unexpected_response', (_req, res) => void res.status(404).send('<h1>Not here</h1>')],
    ['an HTML 200', 'unexpected_response', (_req, res) => void res.send('<!doctype html>')],
    ['a JSON 200 of something else', 'unexpected_response', (_req, res) => void res.json({ status: 'up' })],
    [
      'a JSON 500 of something else',
      'unexpected_response',
      (_req, res) => void res.status(500).json({ oh: 'no' }),
    ],
    ['a JSON null', 'unexpected_response', (_req, res) => void res.json(null)],
    ['a JSON text', 'unexpected_response', (_req, res) => void res.json('token')],
    [
      'an answer that breaks off',
      'network_error',
      (_req, res) => {
        res.writeHead(200, { 'Content-Length': 99 }).write('{')
        // The page has the head before the connection ends.
        res.socket?.end()
      },
    ],
    ['a connection that breaks', 'network_error', (req) => void req.socket.destroy()],
  ])('%s: unknown, never signed out, and well again afterwards', async (_name, code, answer) => {
    await startSite()
    const page = await openSignedIn()
    site.faults.answer = (req, res, next) => (req.path.startsWith('/api/') ? answer(req, res, next) : next())
    expect(await call(page, 'getToken({ fresh: true })')).toBe(`PorticoError ${code}`)
    expect(await call(page, 'login()')).toBe(`PorticoError ${code}`)
    expect(await call(page, 'logout()')).toBe(`PorticoError ${code}`)
    // What was known is not forgotten.
    expect((await stateOf(page)).status).toBe('signed-in')
    await page.reload()
    await expectStatus(page, 'unknown')
    expect(await page.evaluate('portico.getState().error.code')).toBe(code)
    site.faults.answer = undefined
    await page.evaluate('dispatchEvent(new Event("online"))')
    await expectStatus(page, 'signed-in')
  })

  test('a refusal keeps its code, its request id and its Retry-After', async () => {
    await startSite()
    const page = await openSignedIn()
    const problem = { code: 'store_unavailable', detail: 'Down.', request_id: 'r-1' }
    site.faults.answer = (_req, res) =>
      void res.status(503).set({ 'Retry-After': '7', 'X-Request-Id': 'r-1' }).json(problem)
    const error = await page.evaluate(
      'portico.userinfo().catch(({ name, code, message, status, requestId, retryAfter }) => ({ name, code, message, status, requestId, retryAfter }))',
    )
    expect(error).toEqual({
      name: 'PorticoError',
      code: 'store_unavailable',
      message: 'Down.',
      status: 503,
      requestId: 'r-1',
      retryAfter: 7,
    })
  })
})

test.each([
  ['/api/userinfo', 'userinfo()', 401, { code: 'session_required', detail: 'Sign in first.' }],
  ['/api/session', 'checkSession()', 200, { active: false }],
])(
  'an answer from before the login does not end the session that came with it: %s',
  async (path, asking, status, answer) => {
    await startSite()
    const page = await open('/', { status: 'signed-out' })
    await page.evaluate('void portico.login()')
    await signInAsAda(page)
    await arriveAtCallback(page)
    const { promise: late, resolve: answerNow } = Promise.withResolvers<void>()
    site.faults.answer = async (req, res, next) => {
      if (req.path !== path) return next()
      await late
      res.status(status).json(answer)
    }
    const asked = site.count(`GET ${path}`)
    const answered = call(page, asking)
    await expect.poll(() => site.count(`GET ${path}`)).toBe(asked + 1)
    await page.evaluate('portico.handleCallback()')
    answerNow()
    await answered
    expect((await stateOf(page)).status).toBe('signed-in')
  },
)

test('the end of the session is not missed because it was there a moment ago', async () => {
  await startSite()
  const page = await openSignedIn()
  const { promise: late, resolve: answerNow } = Promise.withResolvers<void>()
  site.faults.answer = async (req, res, next) => {
    if (req.path !== '/api/userinfo') return next()
    await late
    res.status(401).json({ code: 'session_required', detail: 'Sign in first.' })
  }
  const answered = call(page, 'userinfo()')
  await expect.poll(() => site.count('GET /api/userinfo')).toBe(1)
  expect(await call(page, 'checkSession()')).toMatchObject({ status: 'signed-in' })
  answerNow()
  await answered
  expect((await stateOf(page)).status).toBe('signed-out')
})

test('a call that is never answered fails after a minute', async () => {
  await startSite()
  const page = await openSignedIn()
  await page.evaluate(`
    AbortSignal.timeout = (delay) => {
      const controller = new AbortController()
      globalThis.pass = (time) => { if (time >= delay) controller.abort(new DOMException('', 'TimeoutError')) }
      return controller.signal
    }`)
  site.faults.answer = () => {}
  const failure = call(page, 'userinfo()')
  await expect.poll(() => site.count('GET /api/userinfo')).toBe(1)
  await page.evaluate('pass(60_000)')
  expect(await failure).toBe('PorticoError network_error')
})

test('a page that could not ask who is signed in shows the user as soon as it gets a token', async () => {
  await startSite()
  const page = await openSignedIn()
  site.faults.answer = (req, res, next) =>
    req.path.startsWith('/api/') ? void res.status(502).end() : next()
  await page.reload()
  await expectStatus(page, 'unknown')
  site.faults.answer = undefined
  expect(decodeJwt(await call(page, 'getToken()'))).toMatchObject({ name: 'Ada Lovelace' })
  expect(await stateOf(page)).toMatchObject({ status: 'signed-in', user: { name: 'Ada Lovelace' } })
})

describe('calls to an API', () => {
  test('the token goes to the listed origins only', async () => {
    await startSite({ client: { apiOrigins: ['https://api.example.com'] } })
    const page = await openAfterLogin()
    const sent: Record<string, string | undefined> = {}
    for (const origin of [
      'https://api.example.com',
      'https://api.example.com.evil.example',
      'https://evil.example',
    ]) {
      await page.route(`${origin}/**`, async (route) => {
        sent[origin] = (await route.request().allHeaders()).authorization
        await route.fulfill({ headers: { 'Access-Control-Allow-Origin': '*' }, json: {} })
      })
      await page.evaluate(`portico.fetch('${origin}/x', { mode: 'cors' }).catch(() => {})`)
    }
    expect(sent['https://api.example.com']).toMatch(/^Bearer eyJ/)
    expect(sent['https://evil.example']).toBeUndefined()
    expect(sent['https://api.example.com.evil.example']).toBeUndefined()
    expect(await call(page, "authHeaders('https://evil.example/x')")).toEqual({})
    expect(await call(page, "authHeaders('http://api.example.com/x')")).toEqual({})
    // The page's own origin is not listed here.
    await page.evaluate("portico.fetch('/orders')")
    expect(site.count('POST /api/token')).toBe(0)
  })

  test('a token for several audiences is one of its own, which is kept like any other', async () => {
    const audiences = ['https://a.example', 'https://b.example']
    await startSite({ env: { APP_TOKEN_AUDIENCE: audiences.join() } })
    const page = await openAfterLogin()
    const get = () => call<string>(page, `getToken({ audience: ${JSON.stringify(audiences)} })`)
    const token = await get()
    expect(decodeJwt(token).aud).toEqual(audiences)
    expect(await get()).toBe(token)
    expect(decodeJwt(await call(page, 'getToken()')).aud).toBe(audiences[0])
    expect(site.count('POST /api/token')).toBe(1)
  })

  test('an API that does not answer is a network error, and an abort of the app is one of its own', async () => {
    await startSite()
    const page = await openSignedIn()
    site.faults.answer = (req, _res, next) => (req.path === '/orders' ? void req.socket.destroy() : next())
    expect(await call(page, "fetch('/orders')")).toBe('PorticoError network_error')
    expect(await call(page, "fetch('/orders', { signal: AbortSignal.abort() })")).toMatch(/^AbortError/)
  })

  test('a 401 is answered by a fresh token, once, with the same body', async () => {
    await startSite()
    const page = await openSignedIn()
    const bodies: string[] = []
    const tokens = new Set<string>()
    const refuseFirst = (times: number): express.RequestHandler => {
      let left = times
      return (req, res, next) => {
        if (req.path !== '/orders') return next()
        tokens.add(req.get('authorization') ?? '')
        req.setEncoding('utf8').on('data', (text: string) => bodies.push(text))
        req.on('end', () => {
          left -= 1
          res.status(left < 0 ? 200 : 401).json({})
        })
      }
    }
    const post =
      "fetch('/orders', { method: 'POST', body: 'two books' }, { scope: 'openid' }).then(({ status }) => status)"
    site.faults.answer = refuseFirst(1)
    expect(await call(page, post)).toBe(200)
    expect(bodies).toEqual(['two books', 'two books'])
    expect(tokens.size).toBe(2)
    expect([...tokens].map((token) => decodeJwt(token).scope)).toEqual(['openid', 'openid'])
    site.faults.answer = refuseFirst(9)
    expect(await call(page, post)).toBe(401)
    expect(bodies).toHaveLength(4)
  })

  test('a demand for a more recent sign-in begins one, and no second one if that is not enough', async () => {
    await startSite()
    const page = await openAfterLogin()
    const challenge =
      'Bearer error="insufficient_user_authentication", acr_values="urn:mfa phr", max_age="30"'
    site.faults.answer = (req, res, next) =>
      req.path === '/orders' ? void res.status(401).set('WWW-Authenticate', challenge).json({}) : next()
    const [request] = await Promise.all([
      page.waitForRequest((one) => one.url().includes('/api/login')),
      page.evaluate("void portico.fetch('/orders')"),
    ])
    expect(Object.fromEntries(new URL(request.url()).searchParams)).toMatchObject({
      // The provider of the token that was refused.
      provider: 'default',
      acr_values: 'urn:mfa phr',
      max_age: '30',
    })
    await page.waitForURL((address) => address.searchParams.has('state'))
    await page.goto(`${site.url}/`)
    await expectStatus(page, 'signed-in')
    const logins = site.count('GET /api/login')
    expect(await page.evaluate("portico.fetch('/orders').then(({ status }) => status)")).toBe(401)
    expect(site.count('GET /api/login')).toBe(logins)
  })

  test('another demand is followed at once, the same one after half a minute', async () => {
    await startSite()
    const page = await openSignedIn()
    await page.clock.install({ time: 0 })
    await page.clock.pauseAt(3_600_000)
    const logins: Record<string, string>[] = []
    const ask = async (status: number, challenge: string) => {
      site.faults.answer = (req, res, next) => {
        if (req.path === '/orders') {
          const error = `Bearer error="insufficient_user_authentication", ${challenge}`
          return void res.status(status).set('WWW-Authenticate', error).json({})
        }
        if (req.path === '/nowhere') return void res.status(204).end()
        if (req.path !== '/api/login') return next()
        const { return_to: _return, provider: _provider, ...demand } = req.query as Record<string, string>
        logins.push(demand)
        res.json({ login_url: '/nowhere' })
      }
      await call(page, "fetch('/orders')")
      // The browser could leave the page.
      await page.clock.runFor(10_000)
    }
    await ask(403, 'acr_values="a"')
    expect(logins).toEqual([])
    await ask(401, 'acr_values="a"')
    expect(logins).toEqual([{ acr_values: 'a' }])
    await ask(401, 'max_age=0')
    expect(logins.slice(1)).toEqual([{ max_age: '0' }])
    await ask(401, 'max_age=0')
    await ask(401, 'max_age=0')
    expect(logins.slice(2)).toEqual([])
    await ask(401, 'max_age=0')
    expect(logins.slice(2)).toEqual([{ max_age: '0' }])
    // A fresh token would be no answer to a demand.
    expect(site.count('GET /orders')).toBe(6)
  })

  test('where the code for that does not load: a network error', async () => {
    await startSite()
    const page = await openSignedIn()
    site.faults.answer = (req, res, next) => {
      if (req.path.startsWith('/client/step-up')) return void res.status(503).end()
      if (req.path !== '/orders') return next()
      res.status(401).set('WWW-Authenticate', 'Bearer error="insufficient_user_authentication"').end()
    }
    expect(await call(page, "fetch('/orders')")).toBe('PorticoError network_error')
  })

  test('no token of another user who has signed in meanwhile', async () => {
    await startSite()
    const one = await openSignedIn()
    const two = await context.newPage()
    // The first tab hears nothing of this one, as a frozen tab does.
    await two.addInitScript('globalThis.BroadcastChannel = class { postMessage() {} close() {} }')
    await two.goto(site.url)
    await expectStatus(two, 'signed-in')
    await switchToAlan(two)
    expect((await stateOf(one)).user?.name).toBe('Ada Lovelace')
    expect(await call(one, 'getToken({ fresh: true })')).toBe('PorticoError user_changed')
    expect((await stateOf(one)).user?.name).toBe('Alan Turing')
    expect(decodeJwt(await call(one, 'getToken()'))).toMatchObject({ name: 'Alan Turing' })
  })
})

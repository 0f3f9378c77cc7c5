import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../support/browser.ts'
import { minutes, seconds } from '../support/clock.ts'
import { copyBrowser, type Deployment, deployments } from '../support/deployments/deployments.ts'
import { csrf, type LoginAnswer, readRefusal, startLogin } from '../support/login.ts'

const sessionCookie = '__Host-bff_session'

describe.each(deployments)('%s', (_name, start) => {
  let deployment: Deployment
  beforeAll(async () => {
    deployment = await start()
  })
  afterAll(() => deployment.close())
  beforeEach(() => deployment.idp.revokeAll())
  afterEach(() => deployment.idp.reset())

  const copy = (browser: TestBrowser) => copyBrowser(browser, deployment.url)
  const cookieOf = (browser: TestBrowser) => browser.cookies(deployment.url).get(sessionCookie)
  const transactionsOf = (browser: TestBrowser) =>
    [...browser.cookies(deployment.url).keys()].filter((name) => name.includes('bff_tx'))

  const begin = (browser: TestBrowser) => startLogin(deployment, browser)
  const callback = (browser: TestBrowser, parameters: URLSearchParams) =>
    browser.fetch(`${deployment.url}/api/callback?${parameters}`)

  interface SignedIn {
    response: Response
    answer: LoginAnswer
  }
  async function finish(browser: TestBrowser, parameters: URLSearchParams): Promise<SignedIn> {
    const response = await callback(browser, parameters)
    expect(response.status).toBe(200)
    return { response, answer: (await response.json()) as LoginAnswer }
  }
  const signIn = async (browser: TestBrowser, person?: string) =>
    finish(browser, deployment.idp.authorize(await begin(browser), person))

  async function whoIs(browser: TestBrowser): Promise<string | undefined> {
    const response = await browser.fetch(`${deployment.url}/api/session?slide=false`, { headers: csrf })
    return ((await response.json()) as { user?: { sub: string } }).user?.sub
  }
  async function logOut(browser: TestBrowser): Promise<unknown> {
    const response = await browser.fetch(`${deployment.url}/api/logout`, { method: 'POST', headers: csrf })
    expect(response.status).toBe(200)
    return response.json()
  }
  const nothingLives = () => expect.poll(() => deployment.idp.livingRefreshTokens()).toBe(0)

  /** Has the provider keep its next token answers until they are released. */
  function holdExchanges(count: number) {
    let left = count
    let arrive = () => {}
    let release = () => {}
    const arrived = new Promise<void>((done) => {
      arrive = done
    })
    const tokenDelay = new Promise<void>((done) => {
      release = done
    })
    deployment.idp.script({
      tokenDelay,
      onTokenRequest() {
        left -= 1
        if (left === 0) arrive()
      },
    })
    return { arrived, release }
  }

  describe('a login that an attacker began, and left open for the next person', () => {
    async function leaveOpen() {
      const shared = createTestBrowser()
      const loginUrl = await begin(shared)
      const attacker = copy(shared)
      const parameters = deployment.idp.authorize(loginUrl, 'victim')
      const guess = new URLSearchParams({ state: parameters.get('state') ?? '', code: 'any-code' })
      return { shared, attacker, parameters, guess }
    }

    test('its state with another code gets no session, neither at once nor later', async () => {
      const { shared, attacker, parameters, guess } = await leaveOpen()
      await finish(shared, parameters)
      for (const wait of [0, seconds(13), minutes(8)]) {
        await deployment.advance(wait)
        const thief = copy(attacker)
        expect(await readRefusal(await callback(thief, guess))).toBe('400 login_transaction_missing')
        expect([cookieOf(thief), await whoIs(thief)]).toEqual([undefined, undefined])
      }
      expect(await whoIs(shared)).toBe('victim')
      await logOut(shared)
    })

    test('nor while the person’s own request is under way', async () => {
      const { shared, attacker, parameters, guess } = await leaveOpen()
      const exchange = holdExchanges(1)
      const finishing = finish(shared, parameters)
      await exchange.arrived
      const stealing = callback(attacker, guess)
      exchange.release()
      await finishing
      expect(await readRefusal(await stealing)).toBe('400 login_transaction_missing')
      expect(cookieOf(attacker)).toBeUndefined()
      await logOut(shared)
    })

    test('its state and code from another issuer’s address get none either', async () => {
      const { shared, attacker, parameters } = await leaveOpen()
      await finish(shared, parameters)
      parameters.set('iss', 'https://evil.example')
      expect(await readRefusal(await callback(attacker, parameters))).toBe('400 login_transaction_missing')
      await logOut(shared)
    })

    test('by navigation as well', async () => {
      const { shared, attacker, parameters, guess } = await leaveOpen()
      await finish(shared, parameters)
      const page = await attacker.visit(`${deployment.url}/api/callback?${guess}`)
      expect([page.status, cookieOf(attacker)]).toEqual([400, undefined])
      await logOut(shared)
    })

    test('the very same response is repeated for seconds (F4), and then signs in whoever is signed in by it', async () => {
      const { shared, parameters } = await leaveOpen()
      const [reloaded, late, kept] = [copy(shared), copy(shared), copy(shared)]
      const { answer } = await finish(shared, parameters)
      await deployment.advance(seconds(14))
      expect((await finish(reloaded, parameters)).answer.session.id).toBe(answer.session.id)
      await deployment.advance(seconds(2))
      expect(await readRefusal(await callback(late, parameters))).toBe('400 login_transaction_missing')
      // A browser that holds the session needs no cookie, and gets none.
      for (const name of transactionsOf(kept)) {
        shared.setCookie(deployment.url, name, kept.cookies(deployment.url).get(name))
      }
      for (const brings of ['the transaction', 'no transaction']) {
        expect([brings, transactionsOf(shared).length]).toEqual([brings, brings === 'no transaction' ? 0 : 1])
        const { response } = await finish(shared, parameters)
        expect(response.headers.getSetCookie().join()).not.toContain(sessionCookie)
      }
      const guess = new URLSearchParams({ state: parameters.get('state') ?? '', code: 'any-code' })
      expect(await readRefusal(await callback(shared, guess))).toBe('400 login_transaction_missing')
      await logOut(shared)
    })
  })

  describe('the cookie of a session that a later login of the same browser replaced', () => {
    test('does nothing to the people who come later', async () => {
      const shared = createTestBrowser()
      await signIn(shared, 'attacker')
      const kept = copy(shared)
      for (const person of ['second', 'third', 'fourth']) {
        await signIn(shared, person)
        expect(await logOut(copy(kept))).toEqual({ logout_url: null })
        expect(await whoIs(shared)).toBe(person)
        const again = copy(kept)
        await signIn(again, 'attacker')
        expect(await whoIs(shared)).toBe(person)
        expect(await logOut(again)).not.toEqual({ logout_url: null })
        expect(await whoIs(shared)).toBe(person)
      }
      await logOut(shared)
      await nothingLives()
    })

    test('ends the same person’s next session for the seconds in which requests cross, and tells nothing of it', async () => {
      const browser = createTestBrowser()
      await signIn(browser)
      const tab = copy(browser)
      await signIn(browser)
      await deployment.advance(seconds(14))
      expect(await logOut(tab)).toEqual({ logout_url: null })
      expect(await whoIs(browser)).toBeUndefined()
      await nothingLives()
    })

    test('but not where another person signs in with it, not even then', async () => {
      const browser = createTestBrowser()
      await signIn(browser)
      const kept = copy(browser)
      await signIn(browser)
      await signIn(kept, 'somebody-else')
      expect([await whoIs(browser), await whoIs(kept)]).toEqual(['00u-grace', 'somebody-else'])
      for (const one of [browser, kept]) await logOut(one)
      await nothingLives()
    })

    test('and not after them, however often it is used', async () => {
      const browser = createTestBrowser()
      await signIn(browser)
      const kept = copy(browser)
      await signIn(browser)
      for (let count = 0; count < 5; count += 1) {
        await deployment.advance(count === 0 ? seconds(16) : minutes(4))
        await logOut(copy(kept))
        await signIn(copy(kept), 'somebody-else')
        await signIn(copy(kept))
        expect(await whoIs(browser)).toBeDefined()
      }
      await logOut(browser)
    })

    test('keeps the person who comes later from signing in once at most', async () => {
      const shared = createTestBrowser()
      await signIn(shared, 'attacker')
      const kept = copy(shared)
      await logOut(copy(kept))
      await deployment.advance(1)
      const parameters = deployment.idp.authorize(await begin(shared), 'victim')
      await deployment.advance(1)
      await logOut(copy(kept))
      await finish(shared, parameters)
      expect(await whoIs(shared)).toBe('victim')
      await logOut(shared)
    })
  })

  describe('two first logins of one browser at once', () => {
    test.each([
      ['the same person', 'grace'],
      ['two people', 'alan'],
    ])('%s: one session stays, and a logout leaves nothing', async (_who, other) => {
      const browser = createTestBrowser()
      const people = ['grace', other]
      const urls = [await begin(browser), await begin(browser)]
      const exchange = holdExchanges(2)
      const tabs = urls.map((url, index) => {
        const tab = copy(browser)
        return { tab, response: callback(tab, deployment.idp.authorize(url, people[index])) }
      })
      await exchange.arrived
      exchange.release()
      const tokens: string[] = []
      const cookies: string[] = []
      for (const { tab, response } of tabs) {
        const answer = (await (await response).json()) as LoginAnswer
        if (answer.token !== undefined) tokens.push(answer.token)
        const cookie = cookieOf(tab)
        if (cookie !== undefined) cookies.push(cookie)
      }
      const active = await Promise.all(tokens.map((token) => deployment.isActive(token)))
      expect(active.filter(Boolean)).toHaveLength(1)
      const living = cookies.map((cookie) => {
        const home = createTestBrowser()
        home.setCookie(deployment.url, sessionCookie, cookie)
        return home
      })
      for (const home of living) await logOut(home)
      expect(await Promise.all(tokens.map((token) => deployment.isActive(token)))).not.toContain(true)
      await nothingLives()
    })

    test('one of which is answered while the other is on its way', async () => {
      const browser = createTestBrowser()
      const urls = [await begin(browser), await begin(browser)]
      const late = copy(browser)
      const [first, second] = urls.map((url) => deployment.idp.authorize(url))
      const one = await finish(browser, first ?? new URLSearchParams())
      await deployment.advance(seconds(14))
      const other = await finish(late, second ?? new URLSearchParams())
      expect([
        await deployment.isActive(one.answer.token),
        await deployment.isActive(other.answer.token),
      ]).toEqual([false, true])
      await logOut(late)
      await nothingLives()
    })

    test('one of which took all its time, and has expired when the other one is finished', async () => {
      const browser = createTestBrowser()
      const first = deployment.idp.authorize(await begin(browser))
      await deployment.advance(minutes(9) + seconds(50))
      const second = deployment.idp.authorize(await begin(browser))
      const [late, tab] = [copy(browser), copy(browser)]
      const one = await finish(browser, first)
      await deployment.advance(seconds(13))
      const other = await finish(late, second)
      expect(await Promise.all([one, other].map(({ answer }) => deployment.isActive(answer.token)))).toEqual([
        false,
        true,
      ])
      await logOut(tab)
      expect(await deployment.isActive(other.answer.token)).toBe(false)
      await nothingLives()
    })

    test('a copy of a login that ended before does nothing to its session', async () => {
      const shared = createTestBrowser()
      const parameters = deployment.idp.authorize(await begin(shared), 'victim')
      const kept = copy(shared)
      await finish(shared, parameters)
      await deployment.advance(seconds(16))
      await signIn(copy(kept), 'attacker')
      await logOut(copy(kept))
      expect(await whoIs(shared)).toBe('victim')
      await logOut(shared)
    })
  })

  describe('a login begun before a logout does not succeed after it', () => {
    test.each(['signed in', 'not signed in'])('of a browser that is %s', async (state) => {
      const browser = createTestBrowser()
      if (state === 'signed in') await signIn(browser)
      const parameters = deployment.idp.authorize(await begin(browser))
      const other = deployment.idp.authorize(await begin(browser))
      const kept = copy(browser)
      await logOut(browser)
      // What may be left leads to the provider, for a minute.
      const left = state === 'signed in' ? ['__Host-bff_logout'] : []
      expect([...browser.cookies(deployment.url).keys()]).toEqual(left)
      expect(await readRefusal(await callback(browser, parameters))).toBe('400 login_transaction_missing')
      for (const answer of [parameters, other]) {
        expect(await readRefusal(await callback(copy(kept), answer))).toBe('401 signed_out')
      }
      await nothingLives()
      await signIn(browser)
      await logOut(browser)
    })

    test('whose code is being exchanged', async () => {
      const browser = createTestBrowser()
      const parameters = deployment.idp.authorize(await begin(browser))
      const tab = copy(browser)
      const exchange = holdExchanges(1)
      const response = callback(browser, parameters)
      await exchange.arrived
      await logOut(tab)
      exchange.release()
      expect(await readRefusal(await response)).toBe('401 signed_out')
      expect(cookieOf(browser)).toBeUndefined()
      await nothingLives()
    })

    test('whose code is being exchanged while its transaction gives way to newer ones', async () => {
      const browser = createTestBrowser()
      const parameters = deployment.idp.authorize(await begin(browser))
      const tab = copy(browser)
      const exchange = holdExchanges(1)
      const response = callback(tab, parameters)
      await exchange.arrived
      for (let count = 0; count < 10; count += 1) await begin(browser)
      expect(transactionsOf(browser)).toHaveLength(10)
      await logOut(browser)
      exchange.release()
      expect(await readRefusal(await response)).toBe('401 signed_out')
      await nothingLives()
    })

    test('whose answer has not reached the browser yet', async () => {
      const browser = createTestBrowser()
      const parameters = deployment.idp.authorize(await begin(browser))
      const tab = copy(browser)
      const { answer } = await finish(browser, parameters)
      await deployment.advance(seconds(14))
      expect(await logOut(tab)).toEqual({ logout_url: null })
      expect([await whoIs(browser), await deployment.isActive(answer.token)]).toEqual([undefined, false])
      await nothingLives()
    })

    test('where this session is ended from the list of sessions', async () => {
      const browser = createTestBrowser()
      const { answer } = await signIn(browser)
      const parameters = deployment.idp.authorize(await begin(browser))
      const kept = copy(browser)
      const url = `${deployment.url}/api/sessions/${answer.session.id}`
      expect((await browser.fetch(url, { method: 'DELETE', headers: csrf })).status).toBe(204)
      expect(transactionsOf(browser)).toEqual([])
      expect(await readRefusal(await callback(kept, parameters))).toBe('401 signed_out')
    })
  })
})

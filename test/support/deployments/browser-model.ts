import { decodeJwt } from 'jose'
import { createTestBrowser, type TestBrowser } from '../browser.ts'
import { seconds } from '../clock.ts'
import { csrf, type LoginAnswer } from '../login.ts'
import { goToProvider, readLogoutUrl } from '../logout.ts'
import { copyBrowser, type Deployment } from './deployments.ts'

/**
 * What browsers, their users and a thief can do, in any order. Numbers choose among what exists at that
 * moment, so that every sequence makes sense; `copied` is 1 where a thief copies the cookies afterwards.
 */
export type Step =
  | { do: 'begin'; home: number; copied: number }
  | { do: 'finish'; home: number; login: number; person: number; copied: number }
  | { do: 'lose-answer' | 'cross-with-logout'; home: number; login: number; person: number }
  | { do: 'finish-two-at-once'; home: number; login: number; person: number; other: number }
  | { do: 'repeat' | 'finish-with-guess'; home: number; login: number }
  | { do: 'log-out'; home: number }
  | { do: 'thief-guesses' | 'thief-logs-out' | 'thief-signs-in'; copy: number }
  | { do: 'wait'; seconds: number }

const people = ['ann', 'bob']
const sessionCookie = '__Host-bff_session'
/**
 * Milliseconds in which a copy of a browser's cookies still counts as the browser, slow processes included.
 */
const crossing = seconds(17)

/** A login that a user's own browser, a home, began. */
interface Login {
  home: TestBrowser
  state: string
  loginUrl: string
  parameters?: URLSearchParams
  person?: string
  /** A logout came before the login was finished. */
  isOver: boolean
}

/** A session that a login of a home created. */
interface Made {
  login: Login
  /** The session cookie, as it was set. */
  cookie: string
  handle: string
  person: string
  at: number
  /** Its cookie never reached a browser. */
  isLost: boolean
  /** Its browser no longer holds the transaction either, so a logout cannot name it. */
  isForgotten?: boolean
}

interface SessionView {
  active: boolean
  user?: { sub: string }
  session?: { id: string }
}

const pick = <T>(all: readonly T[], index: number): T | undefined => all[index % Math.max(1, all.length)]

/**
 * Runs steps against real servers and checks after each: no browser gets a session of a login that it did not
 * finish; one browser has one session; after a logout nothing of that browser is alive; no answer contains
 * anything of another user; and a thief with old cookies changes nothing. Throws when a promise is broken.
 */
export async function runSteps(deployment: Deployment, steps: readonly Step[]): Promise<void> {
  const homes = [createTestBrowser(), createTestBrowser()] as const
  /** Copies of cookies that a thief made, each with the home that it was made from. */
  const copies: { home: TestBrowser; jar: TestBrowser }[] = []
  const logins: Login[] = []
  const made: Made[] = []
  let now = 0
  const began = performance.now()
  const time = () => now + (performance.now() - began)

  const assert = (holds: boolean, promise: string) => {
    if (!holds) throw new Error(promise)
  }

  const cookieOf = (browser: TestBrowser) => browser.cookies(deployment.url).get(sessionCookie)
  async function view(cookie: string | undefined): Promise<SessionView> {
    if (cookie === undefined) return { active: false }
    const spy = createTestBrowser()
    spy.setCookie(deployment.url, sessionCookie, cookie)
    const response = await spy.fetch(`${deployment.url}/api/session?slide=false`, { headers: csrf })
    return (await response.json()) as SessionView
  }
  const isAlive = async (one: Made) => (await view(one.cookie)).active

  /** Returns the session cookie that an answer sets. */
  const setBy = (response: Response) =>
    response.headers
      .getSetCookie()
      .map((line) => new RegExp(`^${sessionCookie}=([^;]+)`).exec(line)?.[1])
      .find((value) => value !== undefined)

  async function begin(browser: TestBrowser): Promise<{ state: string; loginUrl: string }> {
    const response = await browser.fetch(`${deployment.url}/api/login`)
    const { login_url: loginUrl } = (await response.json()) as { login_url: string }
    return { loginUrl, state: new URL(loginUrl).searchParams.get('state') ?? '' }
  }

  const logOut = (browser: TestBrowser) =>
    browser.fetch(`${deployment.url}/api/logout`, { method: 'POST', headers: csrf })

  /** Checks that a logout leads to the provider for the session in this cookie jar, and for no other. */
  async function checkLogout(response: Response, held: SessionView, jar: TestBrowser): Promise<void> {
    const logoutUrl = await readLogoutUrl(response)
    if (logoutUrl === null) return
    const { searchParams } = new URL(await goToProvider(deployment, jar, logoutUrl), deployment.url)
    const hint = searchParams.get('id_token_hint')
    assert(hint !== null, 'a logout does not lead to the provider')
    assert(decodeJwt(hint ?? '').sub === held.user?.sub, 'a logout names another user')
  }

  const authorize = (login: Login, person: number): URLSearchParams => {
    login.person ??= pick(people, person) ?? ''
    login.parameters ??= deployment.idp.authorize(login.loginUrl, login.person)
    return login.parameters
  }

  /** Sends the correct callback from a cookie jar, and records the session that it created. */
  async function finish(jar: TestBrowser, login: Login, { isLost = false } = {}): Promise<void> {
    const held = await view(cookieOf(jar))
    const mayRepeat = made.some((one) => one.login === login)
    const response = await jar.fetch(`${deployment.url}/api/callback?${login.parameters}`)
    const cookie = setBy(response)
    if (response.status !== 200) {
      assert(cookie === undefined, 'a refusal sets a session cookie')
      return
    }
    const { user, session } = (await response.json()) as LoginAnswer
    assert(user.sub === login.person, 'a login signs in another user')
    assert(!login.isOver || mayRepeat, 'a login begun before a logout succeeds after it')
    if (mayRepeat) {
      const before = made.find(({ handle }) => handle === session.id)
      assert(before?.login === login, 'a repeated callback makes another session')
      if (before !== undefined && cookie !== undefined && !isLost) before.isLost = false
      assert(cookie !== undefined || held.session?.id === session.id, 'a session is shown without its cookie')
      return
    }
    assert(cookie !== undefined, 'a login sets no cookie')
    made.push({
      login,
      cookie: cookie ?? '',
      handle: session.id,
      person: user.sub,
      at: time(),
      isLost,
    })
  }

  /** Gives the home the answer to a request that was made with a copy of its cookies. */
  function deliver(home: TestBrowser, jar: TestBrowser): void {
    for (const { cookie } of jar.setCookies) {
      home.setCookie(deployment.url, cookie.name, jar.cookies(deployment.url).get(cookie.name))
    }
  }

  const loginsOf = (home: TestBrowser) => logins.filter((login) => login.home === home)
  const openOf = (home: TestBrowser) =>
    loginsOf(home).filter((login) => !made.some((one) => one.login === login))

  async function logOutHome(home: TestBrowser, jar: TestBrowser): Promise<void> {
    const held = await view(cookieOf(jar))
    const open = openOf(home)
    for (const one of made) {
      if (one.login.home === home && one.isLost) one.isForgotten = !holdsTransaction(jar, one.login.state)
    }
    const response = await logOut(jar)
    assert(response.status === 200, 'a logout fails')
    await checkLogout(response, held, jar)
    for (const login of open) login.isOver = true
  }

  /** Checks that a logout ended everything of a browser, except old sessions whose cookie never arrived. */
  async function checkGone(home: TestBrowser): Promise<void> {
    const mine = made.filter(({ login }) => login.home === home)
    const isExempt = (one: Made) => one.isLost && (one.isForgotten || time() - one.at > seconds(13))
    const gone = mine.filter((one) => !isExempt(one))
    for (const one of gone) assert(!(await isAlive(one)), 'a session outlives the logout of its browser')
    // A session whose cookie never arrived may have inherited the tokens of the session before it.
    const isInherited = (one: Made) =>
      mine.some((other) => isExempt(other) && other.person === one.person && other.at >= one.at)
    const states = gone.filter((one) => !isInherited(one)).map(({ login }) => login.state)
    const isLeft = () => states.some((state) => deployment.idp.livingStates().has(state))
    // Tokens are revoked in the background.
    for (let look = 0; look < 400 && isLeft(); look += 1) await new Promise((done) => setTimeout(done, 5))
    assert(!isLeft(), 'a refresh token outlives the logout of its browser')
  }

  /** Checks that a browser has one session: those of its other logins have ended. */
  async function checkOne(home: TestBrowser): Promise<void> {
    const mine = made.filter(({ login, isLost }) => login.home === home && !isLost)
    const living: Made[] = []
    for (const one of mine) if (await isAlive(one)) living.push(one)
    assert(living.length <= 1, 'one browser has two sessions')
    const held = cookieOf(home)
    assert(
      living.every(({ cookie }) => cookie === held),
      'a session lives that its browser does not hold',
    )
  }

  function holdsTransaction(jar: TestBrowser, state: string): boolean {
    const [id = ''] = state.split('.')
    return [...jar.cookies(deployment.url).keys()].some((name) => name.endsWith(id))
  }

  /**
   * Whether a session must survive what a thief does with a copy. To a server, a copy is the browser itself:
   * for the session in it, and for as long as requests can cross, for a login whose transaction it holds. For
   * as long, a logout with it may also end the same user's next session.
   */
  function isSafeFrom(
    { home, jar }: { home: TestBrowser; jar: TestBrowser },
    one: Made,
    isLogout: boolean,
  ): boolean {
    const cookie = cookieOf(jar)
    if (cookie === one.cookie) return false
    const before = made.find((other) => other.cookie === cookie)
    const holdsPredecessor =
      isLogout && before !== undefined && one.login.home === home && before.person === one.person
    return time() - one.at > crossing || !(holdsTransaction(jar, one.login.state) || holdsPredecessor)
  }

  /** Lets a thief use a copy, and checks that the sessions which are safe from it survive. */
  async function asThief(
    step: Step & { copy: number },
    act: (jar: TestBrowser) => Promise<void>,
  ): Promise<void> {
    const copy = pick(copies.toReversed(), step.copy)
    if (copy === undefined) return
    const isLogout = step.do === 'thief-logs-out'
    const safe: Made[] = []
    for (const one of made) if (isSafeFrom(copy, one, isLogout) && (await isAlive(one))) safe.push(one)
    await act(copyBrowser(copy.jar, deployment.url))
    for (const one of safe) assert(await isAlive(one), 'a thief ends the session of another user')
  }

  async function take(step: Step): Promise<void> {
    const home = 'home' in step ? (pick(homes, step.home) ?? homes[0]) : homes[0]
    switch (step.do) {
      case 'begin': {
        logins.push({ home, ...(await begin(home)), isOver: false })
        if (step.copied === 1) copies.push({ home, jar: copyBrowser(home, deployment.url) })
        return
      }
      case 'finish':
      case 'lose-answer':
      case 'cross-with-logout': {
        const login = pick(openOf(home), step.login)
        if (login === undefined) return
        authorize(login, step.person)
        if (step.do === 'finish') {
          await finish(home, login)
          if (step.copied === 1) copies.push({ home, jar: copyBrowser(home, deployment.url) })
          return
        }
        if (step.do === 'lose-answer')
          return finish(copyBrowser(home, deployment.url), login, { isLost: true })
        const jars = [copyBrowser(home, deployment.url), copyBrowser(home, deployment.url)] as const
        await Promise.all([finish(jars[0], login), logOutHome(home, jars[1])])
        for (const name of [...home.cookies(deployment.url).keys()])
          home.setCookie(deployment.url, name, undefined)
        return checkGone(home)
      }
      case 'finish-two-at-once': {
        const open = openOf(home)
        const [one, other] = [pick(open, step.login), pick(open, step.login + 1)]
        if (one === undefined || other === undefined || one === other) return
        authorize(one, step.person)
        authorize(other, step.other)
        const jars = [one, other].map((login) => ({ login, jar: copyBrowser(home, deployment.url) }))
        await Promise.all(jars.map(({ login, jar }) => finish(jar, login)))
        const both = made.filter(({ login }) => login === one || login === other)
        const alive = await Promise.all(both.map(isAlive))
        assert(both.length === 0 || alive.includes(true), 'two logins at once end each other')
        // Both may be answered before the later one supersedes the other's session. Which answer arrives last
        // depends on the network, and no server knows it; here it is the answer for the session that stays.
        const holdsLiving = await Promise.all(jars.map(async ({ jar }) => (await view(cookieOf(jar))).active))
        for (const isLast of [false, true]) {
          for (const [index, { jar }] of jars.entries()) if (holdsLiving[index] === isLast) deliver(home, jar)
        }
        return
      }
      case 'repeat': {
        const login = pick(
          loginsOf(home).filter(({ parameters }) => parameters !== undefined),
          step.login,
        )
        return login && finish(home, login)
      }
      case 'finish-with-guess': {
        const login = pick(loginsOf(home), step.login)
        if (login === undefined) return
        const jar = copyBrowser(home, deployment.url)
        const guess = new URLSearchParams({ state: login.state, code: 'guess' })
        const response = await jar.fetch(`${deployment.url}/api/callback?${guess}`)
        assert(response.status !== 200 && setBy(response) === undefined, 'a guessed code signs in')
        return
      }
      case 'log-out': {
        await logOutHome(home, home)
        assert([...home.cookies(deployment.url).keys()].length === 0, 'a logout leaves cookies')
        return checkGone(home)
      }
      case 'thief-guesses':
        return asThief(step, async (jar) => {
          const login = logins.findLast(({ state }) => holdsTransaction(jar, state))
          if (login === undefined) return
          const guess = new URLSearchParams({ state: login.state, code: 'guess' })
          const held = cookieOf(jar)
          const response = await jar.fetch(`${deployment.url}/api/callback?${guess}`)
          assert(response.status !== 200, 'a thief gets the answer to another user')
          assert(cookieOf(jar) === held, 'a thief gets a session')
        })
      case 'thief-logs-out':
        return asThief(step, async (jar) => {
          const held = await view(cookieOf(jar))
          await checkLogout(await logOut(jar), held, jar)
        })
      case 'thief-signs-in':
        return asThief(step, async (jar) => {
          const { loginUrl } = await begin(jar)
          const parameters = deployment.idp.authorize(loginUrl, 'thief')
          const response = await jar.fetch(`${deployment.url}/api/callback?${parameters}`)
          const { user } = await view(cookieOf(jar))
          assert(response.status !== 200 || user?.sub === 'thief', 'a thief signs in as another user')
        })
      case 'wait':
        now += seconds(step.seconds)
        return deployment.advance(seconds(step.seconds))
    }
  }

  for (const step of steps) {
    await take(step)
    for (const home of homes) await checkOne(home)
  }
}

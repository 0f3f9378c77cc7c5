import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../support/browser.ts'
import { copyBrowser, type Deployment, deployments } from '../support/deployments/deployments.ts'
import { csrf } from '../support/login.ts'

const kinds = deployments.flatMap(([where, start]) =>
  ['strict', 'lax'].map((sameSite) => ({ where, sameSite, start })),
)

const sessionCookie = '__Host-bff_session'

/** A dozen of the 720 orders in which six tabs can finish. */
const orders = fc.sample(fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 }), { numRuns: 12, seed: 8 })

/** Links of more than 1,200 characters, by what makes them long. */
const links = [
  ['a path', (name: string) => `/${name}/${'p'.repeat(1_200)}`],
  ['a query', (name: string) => `/${name}?${'q=1&'.repeat(300)}`],
  ['a fragment', (name: string) => `/${name}#${'f'.repeat(1_200)}`],
  [
    'a URL in a query',
    (name: string) => `/${name}?next=${encodeURIComponent('https://x.example/'.repeat(50))}`,
  ],
] as const

describe.each(kinds)('many tabs of one browser, $where, $sameSite session cookie', ({ sameSite, start }) => {
  let deployment: Deployment
  beforeAll(async () => {
    deployment = await start({ SESSION_COOKIE_SAMESITE: sameSite, LOGIN_DEFAULT_RETURN_TO: '/home' })
  })
  afterAll(() => deployment.close())

  /** A tab in which the person goes to sign in, and does so at the provider. */
  async function open(browser: TestBrowser, returnTo: string) {
    const query = new URLSearchParams({ return_to: returnTo })
    const response = await browser.visit(`${deployment.url}/api/login?${query}`)
    expect(response.status).toBe(302)
    const parameters = deployment.idp.authorize(response.headers.get('location') ?? '')
    return { returnTo, callback: `${deployment.url}/api/callback?${parameters}` }
  }

  async function openSome(browser: TestBrowser, count: number) {
    const tabs = []
    for (let tab = 0; tab < count; tab += 1) {
      tabs.push(await open(browser, `/tab-${tab}`))
      await deployment.advance(1)
    }
    return tabs
  }

  /** Where a navigation led. */
  const landed = (response: Response) => `${response.status} ${response.headers.get('location')}`

  async function countSessions(browser: TestBrowser): Promise<number> {
    const response = await browser.fetch(`${deployment.url}/api/sessions`, { headers: csrf })
    return response.status === 200
      ? ((await response.json()) as { sessions: unknown[] }).sessions.length
      : response.status
  }

  const logOut = (browser: TestBrowser) =>
    browser.fetch(`${deployment.url}/api/logout`, { method: 'POST', headers: csrf })
  const nothingLives = () => expect.poll(() => deployment.idp.livingRefreshTokens()).toBe(0)

  /** One session stays, and a logout leaves none; nor is any login left over. */
  async function checkOneSession(browser: TestBrowser): Promise<void> {
    expect(await countSessions(browser)).toBe(1)
    expect([...browser.cookies(deployment.url).keys()]).toEqual([sessionCookie])
    await logOut(browser)
    await nothingLives()
  }

  test.each(orders.map((order) => ({ order })))(
    'six finish in the order $order: each at its own address',
    async ({ order }) => {
      const browser = createTestBrowser()
      const tabs = await openSome(browser, 6)
      for (const index of order) {
        const { returnTo, callback } = tabs[index] ?? { returnTo: '', callback: '' }
        expect(landed(await browser.arrive(callback))).toBe(`303 ${returnTo}`)
        expect(await countSessions(browser)).toBe(1)
      }
      await checkOneSession(browser)
    },
  )

  test.each(
    links.flatMap(([what, toLink]) => [
      { what, toLink, order: [0, 1] },
      { what, toLink, order: [1, 0] },
    ]),
  )('two with links of 1,200 characters, by $what, in the order $order', async ({ toLink, order }) => {
    const browser = createTestBrowser()
    const tabs = [await open(browser, toLink('one')), await open(browser, toLink('other'))]
    for (const index of order) {
      const { returnTo, callback } = tabs[index] ?? { returnTo: '', callback: '' }
      expect(returnTo.length).toBeGreaterThan(1_200)
      expect(landed(await browser.arrive(callback))).toBe(`303 ${returnTo}`)
    }
    await checkOneSession(browser)
  })

  test.each([
    { before: 'not signed in', signedIn: false },
    { before: 'signed in', signedIn: true },
  ])('six finish at once, where the browser is $before', async ({ signedIn }) => {
    const browser = createTestBrowser()
    if (signedIn) await browser.arrive((await open(browser, '/')).callback)
    const tabs = await openSome(browser, 6)
    const answers = tabs.map(async ({ callback }) => {
      const tab = copyBrowser(browser, deployment.url)
      return { tab, landed: landed(await tab.arrive(callback)) }
    })
    const finished = await Promise.all(answers)
    expect(finished.map((one) => one.landed)).toEqual(tabs.map(({ returnTo }) => `303 ${returnTo}`))
    // Which answer comes last is for the network to say.
    const living: TestBrowser[] = []
    for (const { tab } of finished) {
      const isSet = tab.setCookies.some(({ cookie }) => cookie.name === sessionCookie)
      if (isSet && (await countSessions(tab)) === 1) living.push(tab)
    }
    expect(living).toHaveLength(1)
    const cookie = living[0]?.cookies(deployment.url).get(sessionCookie)
    // Reloaded by a browser that has got this cookie, while the answers that drop the transactions are on their way.
    for (const { returnTo, callback } of tabs) {
      const reloaded = copyBrowser(browser, deployment.url)
      reloaded.setCookie(deployment.url, sessionCookie, cookie)
      expect(landed(await reloaded.arrive(callback))).toBe(`303 ${returnTo}`)
    }
    for (const tab of living) await logOut(tab)
    await nothingLives()
  })

  test('twelve: those that gave way to newer ones end in the app as well, once one has signed in', async () => {
    const browser = createTestBrowser()
    const tabs = await openSome(browser, 12)
    for (const [index, { returnTo, callback }] of [...tabs.entries()].reverse()) {
      expect(landed(await browser.arrive(callback))).toBe(`303 ${index < 2 ? '/home' : returnTo}`)
    }
    await checkOneSession(browser)
  })
})

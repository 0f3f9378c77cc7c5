import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { launchChromium } from '../support/chromium/chromium.ts'
import { signInAsAda, startDemo as start } from '../support/chromium/demo.ts'
import { startTcpProxy } from '../support/network/tcp-proxy.ts'
import { root, type TestProcess } from '../support/processes/start-process.ts'
import { startRedis } from '../support/redis/start-redis.ts'

const pictures = join(root, 'test/output')

let browser: Browser
let demo: TestProcess
let url: string
let context: BrowserContext
/** What the browser complained about: a blocked resource, a script error. */
let complaints: string[] = []

async function startDemo(...options: Parameters<typeof start>): Promise<void> {
  ;({ process: demo, url } = await start(...options))
}

/** One demo for the tests of a group: to start it takes as long as a test. */
function shareDemo(...options: Parameters<typeof start>): void {
  beforeAll(() => startDemo(...options))
  afterAll(() => demo.stop('SIGKILL'))
}

async function openPage(): Promise<Page> {
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  page.on('pageerror', (error) => void complaints.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  return page
}

beforeAll(async () => {
  mkdirSync(pictures, { recursive: true })
  browser = await launchChromium()
})
afterAll(() => browser.close())
beforeEach(async () => {
  complaints = []
  context = await browser.newContext()
})
afterEach(async () => {
  await context.close()
})

async function open(): Promise<Page> {
  const page = await openPage()
  await page.goto(url)
  await page.getByRole('button', { name: 'Log in', exact: true }).waitFor()
  return page
}

const expectName = (page: Page, name: string) =>
  expect.poll(() => page.locator('#name').textContent(), { timeout: 10_000 }).toBe(name)
/** Once a login has come so far, the page asks for nothing more by itself. */
const expectStatus = (page: Page, text: string) =>
  expect.poll(() => page.locator('#status').textContent(), { timeout: 10_000 }).toBe(text)
const result = (page: Page) => page.locator('#result')
const alertOf = (page: Page) => page.locator('[role=alert]')

describe('the demo, where the SPA forwards the code', () => {
  shareDemo(['--verbose'])

  test('log in, see the token, call the API, reload, log out', async () => {
    const page = await open()
    await page.getByRole('button', { name: 'Log in', exact: true }).click()
    await signInAsAda(page)
    await expectName(page, 'Ada Lovelace')
    expect(new URL(page.url()).search).toBe('')
    expect(await page.locator('#groups').textContent()).toBe('Everyone, Admins')

    const header = JSON.parse((await page.locator('#header').textContent()) ?? '') as Record<string, unknown>
    const payload = JSON.parse((await page.locator('#payload').textContent()) ?? '') as Record<
      string,
      unknown
    >
    expect(header).toMatchObject({ alg: 'ES256', typ: 'at+jwt' })
    expect(payload).toMatchObject({
      iss: url,
      aud: url,
      name: 'Ada Lovelace',
      groups: ['Everyone', 'Admins'],
    })
    expect(String(payload.scope).split(' ')).toContain('orders:write')
    expect(await page.locator('#encoded').textContent()).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/)

    await page.getByRole('button', { name: 'List orders' }).click()
    await expect.poll(() => result(page).textContent()).toContain('GET /orders → 200')
    await page.getByRole('button', { name: 'Place an order', exact: true }).click()
    await expect.poll(() => result(page).textContent()).toContain('POST /orders → 201')
    await page.getByRole('button', { name: 'Place an order without the scope' }).click()
    await expect.poll(() => result(page).textContent()).toContain('POST /orders → 403')
    expect(await result(page).textContent()).toContain('insufficient_scope')
    expect(await page.locator('#flow li.open').count()).toBe(0)

    await page.reload()
    await expectName(page, 'Ada Lovelace')
    // The last that the page asks for: a logout before it would rightly be answered with 401.
    await page.locator('#sessions li').first().waitFor()
    await page.getByRole('button', { name: 'Log out', exact: true }).click()
    await page.getByRole('button', { name: 'Log in', exact: true }).waitFor()
    await page.reload()
    await page.getByRole('button', { name: 'Log in', exact: true }).waitFor()
    // The API's 403 is what was asked for; Chromium reports it all the same.
    expect(complaints.filter((complaint) => !complaint.includes('403'))).toEqual([])
  })

  test('no token of the provider, and no session id, is within reach of the page', async () => {
    const page = await open()
    const bodies: string[] = []
    page.on('response', async (response) => {
      if (response.url().includes('/api/')) bodies.push(await response.text().catch(() => ''))
    })
    await page.getByRole('button', { name: 'Log in', exact: true }).click()
    await signInAsAda(page)
    await expectName(page, 'Ada Lovelace')
    expect(
      await page.evaluate('document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)'),
    ).not.toMatch(/bff_session|eyJ/)
    expect(bodies.join('')).not.toMatch(/refresh_token|id_token|access_token/)
    const session = (await context.cookies(url)).find(({ name }) => name === 'bff_session')
    expect(session).toMatchObject({ httpOnly: true, sameSite: 'Strict', path: '/' })
  })

  test('by keyboard alone', async () => {
    const page = await open()
    const press = async (name: string) => {
      for (let tries = 0; tries < 20; tries += 1) {
        await page.keyboard.press('Tab')
        if ((await page.evaluate<string>('document.activeElement?.textContent ?? ""')).startsWith(name)) break
      }
      await page.keyboard.press('Enter')
    }
    await press('Log in')
    await page.getByLabel('Username').waitFor()
    await page.keyboard.type('alan@example.com')
    await page.keyboard.press('Tab')
    await page.keyboard.type('universal-machine')
    await page.keyboard.press('Enter')
    await expectName(page, 'Alan Turing')
    await press('Read the audit log')
    await expect.poll(() => result(page).textContent()).toContain('GET /audit → 403')
    await press('Log out')
    await page.getByRole('button', { name: 'Log in', exact: true }).waitFor()
  })

  test('two tabs at once: both come in (F1)', async () => {
    const [one, two] = [await open(), await open()]
    await one.getByRole('button', { name: 'Log in', exact: true }).click()
    await two.getByRole('button', { name: 'Log in', exact: true }).click()
    await signInAsAda(two)
    await expectName(two, 'Ada Lovelace')
    await signInAsAda(one)
    await expectName(one, 'Ada Lovelace')
    await two.reload()
    await expectName(two, 'Ada Lovelace')
    await one.getByRole('button', { name: 'Log out', exact: true }).click()
    await one.getByRole('button', { name: 'Log in', exact: true }).waitFor()
    await two.getByRole('button', { name: 'Log in', exact: true }).waitFor()
  })

  test('somebody else signs in in another tab: this one shows their data', async () => {
    const one = await open()
    await one.getByRole('button', { name: 'Log in', exact: true }).click()
    await signInAsAda(one)
    await expectStatus(one, 'Signed in as Ada Lovelace.')
    const two = await openPage()
    await two.goto(`${url}/api/login?prompt=login`)
    await two.getByRole('button', { name: 'Alan Turing' }).click()
    await expectStatus(one, 'Signed in as Alan Turing.')
    expect(await one.locator('#payload').textContent()).toContain('alan@example.com')
    expect(await one.getByRole('heading', { level: 1 }).textContent()).toBe('Signed in as Alan Turing')
  })

  test("log out in one tab: the other notices, and the provider's own session is gone (F40, R67)", async () => {
    const [one, two] = [await open(), await open()]
    await one.getByRole('button', { name: 'Log in', exact: true }).click()
    await signInAsAda(one)
    await expectName(one, 'Ada Lovelace')
    await two.reload()
    await expectName(two, 'Ada Lovelace')
    const visited: string[] = []
    one.on('request', (request) => void visited.push(request.url()))
    await one.getByRole('button', { name: 'Log out', exact: true }).click()
    await expect
      .poll(() => one.locator('#status').textContent())
      .toBe('You are logged out of this app, and in this browser at the provider.')
    expect(visited.some((address) => address.includes('id_token_hint='))).toBe(true)
    expect(visited.some((address) => address.startsWith(`${url}/api/logout/callback?state=`))).toBe(true)
    expect(await one.locator('#flow li.open').count()).toBe(0)
    // The provider told by back channel, too, as it would for a browser that never comes back.
    expect(demo.output.text).toContain('"event":"backchannel_logout_succeeded"')
    await one.screenshot({ path: join(pictures, 'logged-out.png'), fullPage: true })
    expect(await two.locator('#status').textContent()).toBe('You logged out in another tab.')
    expect(await two.getByRole('button', { name: 'Log in', exact: true }).isVisible()).toBe(true)

    await two.getByRole('button', { name: 'Log in', exact: true }).click()
    await two.getByLabel('Password').waitFor()
    expect(complaints).toEqual([])
  })

  describe.each([
    ['with the ID token', '/', true],
    // So long that the provider's address would have more than 2,000 characters.
    ['without it, as its address would be too long', `/?${'x'.repeat(1_400)}`, false],
  ])('logout %s', (_name, returnTo, isHinted) => {
    /** Signs in, does as told, and goes through the provider's logout; returns the page, and all that the browser asked for. */
    async function leave(act: (page: Page) => Promise<void>): Promise<{ page: Page; visited: string[] }> {
      const page = await open()
      await page.getByRole('button', { name: 'Log in', exact: true }).click()
      await signInAsAda(page)
      await expectStatus(page, 'Signed in as Ada Lovelace.')
      const visited: string[] = []
      page.on('request', (request) => void visited.push(request.url()))
      await act(page)
      // Who brings no ID token is asked.
      if (!isHinted) await page.getByRole('button', { name: 'Sign out', exact: true }).click()
      await page.getByRole('button', { name: 'Log in', exact: true }).waitFor()
      return { page, visited }
    }

    /** The browser has been at the provider, whose session is gone, and the page it came back to is told nothing of that. */
    async function expectGone({ page, visited }: { page: Page; visited: string[] }): Promise<void> {
      expect(page.url()).toBe(url + returnTo)
      const [there = '', ...more] = visited.filter((address) => address.includes('/v1/logout?'))
      expect([there.includes('id_token_hint=eyJ'), there.includes('logout_hint=')]).toEqual([
        isHinted,
        !isHinted,
      ])
      expect([there.includes('client_id='), more]).toEqual([true, []])
      const told = await page.evaluate<string>(
        'document.referrer + document.cookie + JSON.stringify(performance.getEntries())',
      )
      expect(told).not.toMatch(/eyJ[\w-]+\.eyJ|v1\/logout/)
      expect((await context.cookies(url)).map(({ name }) => name)).toEqual([])
      await page.getByRole('button', { name: 'Log in', exact: true }).click()
      await page.getByLabel('Password').waitFor()
    }

    test('by fetch: a script tries all it can, and never learns where the browser is to go (R67)', async () => {
      const told: { address: string; answers: string[] }[] = []
      const left = await leave(async (page) => {
        // As the page of an attacker's script would.
        const result = await page.evaluate<(typeof told)[0]>(`(async () => {
          const headers = { 'X-CSRF': '1', 'Content-Type': 'application/json' }
          const body = JSON.stringify({ return_to: ${JSON.stringify(returnTo)} })
          const logout = await fetch('/api/logout', { method: 'POST', headers, body })
          const address = (await logout.json()).logout_url
          const answers = []
          for (const redirect of ['follow', 'manual', 'error']) {
            for (const mode of ['cors', 'same-origin', 'no-cors']) {
              const answer = await fetch(address, { redirect, mode, headers: { Accept: 'text/html' } })
              answers.push([answer.status, answer.type, answer.url, await answer.text()].join(' '))
            }
          }
          const xhr = new XMLHttpRequest()
          xhr.open('GET', address, false)
          xhr.send()
          answers.push([xhr.status, 'basic', xhr.responseURL, xhr.responseText].join(' '))
          return { address, answers }
        })()`)
        told.push(result)
        await page.evaluate(`location.assign(${JSON.stringify(result.address)})`)
      })
      const [{ address, answers } = { address: '', answers: [] }] = told
      expect(address.startsWith(`${url}/api/logout/provider?ticket=`)).toBe(true)
      expect(answers).toHaveLength(10)
      for (const answer of answers) {
        expect(answer.startsWith(`400 basic ${address} {`)).toBe(true)
        expect(answer).not.toMatch(/eyJ[\w-]+\.eyJ|v1\/logout/)
      }
      await expectGone(left)
      expect(complaints.filter((complaint) => !complaint.includes('400'))).toEqual([])
    })

    test('by a form of a page on the same origin: straight to the provider', async () => {
      const left = await leave(async (page) => {
        const field = `<input type="hidden" name="return_to" value="${returnTo}">`
        const body = `<form method="post" action="/api/logout">${field}<button>Leave</button></form>`
        await page.route(`${url}/leave`, (route) => route.fulfill({ contentType: 'text/html', body }))
        await page.goto(`${url}/leave`)
        await page.getByRole('button', { name: 'Leave' }).click()
      })
      expect(left.visited.filter((address) => address.includes('/api/logout/provider'))).toEqual([])
      await expectGone(left)
      expect(complaints).toEqual([])
    })
  })

  test('back to the address of a logout that is over: on the page again, and no error', async () => {
    const page = await open()
    await page.getByRole('button', { name: 'Log in', exact: true }).click()
    await signInAsAda(page)
    await expectStatus(page, 'Signed in as Ada Lovelace.')
    const visited: string[] = []
    page.on('request', (request) => void visited.push(request.url()))
    await page.getByRole('button', { name: 'Log out', exact: true }).click()
    await page.getByRole('button', { name: 'Log in', exact: true }).waitFor()
    const address = visited.find((each) => each.includes('/api/logout/provider?ticket=')) ?? ''
    await page.goto(address)
    await page.getByRole('button', { name: 'Log in', exact: true }).waitFor()
    expect(page.url()).toBe(`${url}/`)
  })

  test('a tab that was told nothing notices as soon as it is used (F40)', async () => {
    const page = await open()
    await page.getByRole('button', { name: 'Log in', exact: true }).click()
    await signInAsAda(page)
    // All that the page asks for at its start is there.
    await expect.poll(() => page.locator('#status').textContent()).toBe('Signed in as Ada Lovelace.')
    const session = (await context.cookies(url)).find(({ name }) => name === 'bff_session')
    const headers = { 'x-csrf': '1', cookie: `bff_session=${session?.value}` }
    expect((await fetch(`${url}/api/logout`, { method: 'POST', headers })).status).toBe(200)
    expect(await page.locator('#name').textContent()).toBe('Ada Lovelace')
    // No timer of the page runs any more: what happens now is the answer to the focus, at once.
    await page.clock.pauseAt(Date.now() + 60_000)
    await page.evaluate("dispatchEvent(new Event('focus'))")
    await page.getByRole('button', { name: 'Log in', exact: true }).waitFor()
    expect(await page.locator('#status').textContent()).toContain('Your session has ended')
  })

  test('after a logout, as someone else', async () => {
    const page = await open()
    await page.getByRole('button', { name: 'Log in', exact: true }).click()
    await signInAsAda(page)
    await expectName(page, 'Ada Lovelace')
    await page.getByRole('button', { name: 'Log out', exact: true }).click()
    await page.getByRole('button', { name: 'Log in as someone else' }).click()
    await page.getByRole('button', { name: 'Alan Turing' }).click()
    await expectName(page, 'Alan Turing')
  })

  test('back to a sign-in that is over: a page that says so, no stack', async () => {
    const page = await open()
    await page.getByRole('button', { name: 'Log in', exact: true }).click()
    await page.getByLabel('Username').waitFor()
    const address = page.url()
    await signInAsAda(page)
    await expectName(page, 'Ada Lovelace')
    await page.goto(address)
    expect(await page.getByRole('heading').textContent()).toBe('This sign-in has ended')
  })

  test('cancelled at the provider, with a wrong password before: back on the page, with the reason', async () => {
    const page = await open()
    await page.getByRole('button', { name: 'Log in', exact: true }).click()
    await page.getByLabel('Username').fill('ada@example.com')
    await page.getByLabel('Password').fill('wrong')
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.getByRole('alert').waitFor()
    await page.getByRole('link', { name: 'Cancel' }).click()
    await expect.poll(() => alertOf(page).textContent()).toContain('access_denied')
    expect(await page.locator('#flow li.done').count()).toBeLessThan(7)
    await page.getByRole('button', { name: 'Log in', exact: true }).waitFor()
  })
})

const otherVariants = ['okta-org', 'oauth2-public', 'oauth2-confidential', 'fapi2', 'message-signing']
describe('the sessions of a user who is signed in nowhere else', () => {
  beforeEach(() => startDemo())
  afterEach(() => demo.stop('SIGKILL'))

  test('everywhere: other devices are signed out as well, and all others but this one can be ended', async () => {
    const page = await open()
    await page.getByRole('button', { name: 'Log in', exact: true }).click()
    await signInAsAda(page)
    await expectName(page, 'Ada Lovelace')
    const signInOnPhone = async () => {
      const phone = await browser.newContext()
      const other = await phone.newPage()
      await other.goto(url)
      await other.getByRole('button', { name: 'Log in', exact: true }).click()
      await signInAsAda(other)
      await expectName(other, 'Ada Lovelace')
      return { phone, other }
    }
    const first = await signInOnPhone()
    await page.reload()
    await page.getByRole('button', { name: 'End all others' }).click()
    await expect.poll(() => page.locator('#status').textContent()).toBe('One other session has ended.')
    await first.other.reload()
    await first.other.getByRole('button', { name: 'Log in', exact: true }).waitFor()

    const second = await signInOnPhone()
    await page.getByRole('button', { name: 'Log out everywhere' }).click()
    await expect
      .poll(() => page.locator('#status').textContent())
      .toBe('You are logged out on all devices, and in this browser at the provider.')
    await second.other.reload()
    await second.other.getByRole('button', { name: 'Log in', exact: true }).waitFor()
    await Promise.all([first.phone.close(), second.phone.close()])
    expect(complaints).toEqual([])
  })

  test('another session is seen, and ended from here (R50)', async () => {
    const page = await open()
    await page.getByRole('button', { name: 'Log in', exact: true }).click()
    await signInAsAda(page)
    await expectName(page, 'Ada Lovelace')
    const phone = await browser.newContext({ userAgent: 'Mozilla/5.0 (iPhone) Version/26.0 Safari/604.1' })
    const other = await phone.newPage()
    await other.goto(url)
    await other.getByRole('button', { name: 'Log in', exact: true }).click()
    await signInAsAda(other)
    await expectName(other, 'Ada Lovelace')

    await page.reload()
    await expect.poll(() => page.locator('#sessions li').count()).toBe(2)
    expect(await page.locator('#sessions').textContent()).toContain('(this one)')
    await page.getByRole('button', { name: 'End the session on Safari on iPhone' }).click()
    await expect.poll(() => page.locator('#sessions li').count()).toBe(1)
    await other.getByRole('button', { name: 'Get a fresh one' }).click()
    await other.getByRole('button', { name: 'Log in', exact: true }).waitFor()
    await expectName(page, 'Ada Lovelace')
    await phone.close()
    expect(complaints).toEqual([])
  })
})

describe.each(otherVariants)('the demo with --provider %s', (variant) => {
  shareDemo(['--provider', variant])

  test('log in, call the API, a fresh token, log out; every step of the flow is shown', async () => {
    const page = await open()
    await page.getByRole('button', { name: 'Log in', exact: true }).click()
    await signInAsAda(page)
    await expectName(page, 'Ada Lovelace')
    expect(await page.locator('#groups').textContent()).toBe('Everyone, Admins')
    await page.getByRole('button', { name: 'Read the audit log' }).click()
    await expect.poll(() => result(page).textContent()).toContain('GET /audit → 200')
    await page.getByRole('button', { name: 'Place an order', exact: true }).click()
    await expect.poll(() => result(page).textContent()).toContain('POST /orders → 201')
    await page.getByRole('button', { name: 'Get a fresh one' }).click()
    await expect.poll(() => page.locator('#flow li.open').count()).toBe(0)
    await page.screenshot({ path: join(pictures, `signed-in-${variant}.png`), fullPage: true })
    await page.getByRole('button', { name: 'Log out', exact: true }).click()
    await page.getByRole('button', { name: 'Log in', exact: true }).waitFor()
    expect(complaints).toEqual([])
  })
})

describe('the demo over Redis', () => {
  test('with Redis down a logout is refused, and the page says that the person is still signed in (F47)', async () => {
    const redis = await startRedis()
    const proxy = await startTcpProxy(redis.port)
    await startDemo([], { REDIS_URL: `redis://127.0.0.1:${proxy.port}` })
    try {
      const page = await open()
      await page.getByRole('button', { name: 'Log in', exact: true }).click()
      await signInAsAda(page)
      await expectName(page, 'Ada Lovelace')
      // Out of reach, not frozen: then nobody could tell whether it did in the end what it was asked.
      proxy.cut()
      const [answer] = await Promise.all([
        page.waitForResponse((response) => response.url().endsWith('/api/logout')),
        page.getByRole('button', { name: 'Log out', exact: true }).click(),
      ])
      expect(answer.status()).toBe(503)
      await expect
        .poll(() => alertOf(page).textContent())
        .toContain('You are still signed in: the logout did not succeed.')
      expect(await page.locator('#name').textContent()).toBe('Ada Lovelace')
      proxy.mend()
      await expect
        .poll(
          async () => {
            if (await page.getByRole('button', { name: 'Log out', exact: true }).isVisible()) {
              await page.getByRole('button', { name: 'Log out', exact: true }).click()
            }
            return page.locator('#status').textContent()
          },
          { timeout: 15_000, interval: 500 },
        )
        .toBe('You are logged out of this app, and in this browser at the provider.')
    } finally {
      await demo.stop('SIGKILL')
      await proxy.close()
      await redis.close()
    }
  })
})

describe('the demo, where the provider redirects to the server', () => {
  shareDemo(['--redirect', 'server'])

  test('log in from another site with a strict session cookie, and no token in any URL', async () => {
    const page = await open()
    const urls: string[] = []
    page.on('request', (request) => void urls.push(request.url()))
    await page.getByRole('button', { name: 'Log in', exact: true }).click()
    await signInAsAda(page)
    await expectName(page, 'Ada Lovelace')
    expect(urls.join(' ')).not.toMatch(/eyJ[\w-]+\.eyJ/)
    expect(urls.some((visited) => visited.includes('/api/callback?code='))).toBe(true)
    expect(complaints).toEqual([])
  })

  test('two tabs, both finished from another site: one session, and a logout leaves none (F1, R46)', async () => {
    const [one, two] = [await open(), await open()]
    await one.getByRole('button', { name: 'Log in', exact: true }).click()
    await two.getByRole('button', { name: 'Log in', exact: true }).click()
    const cookies: string[] = []
    for (const page of [two, one]) {
      await signInAsAda(page)
      await expectName(page, 'Ada Lovelace')
      cookies.push((await context.cookies(url)).find(({ name }) => name === 'bff_session')?.value ?? '')
    }
    await one.getByRole('button', { name: 'Log out', exact: true }).click()
    await one.getByRole('button', { name: 'Log in', exact: true }).waitFor()
    expect(new Set(cookies).size).toBe(2)
    for (const cookie of cookies) {
      const headers = { 'x-csrf': '1', cookie: `bff_session=${cookie}` }
      const answer = await fetch(`${url}/api/session`, { headers })
      expect(await answer.json()).toEqual({ active: false })
    }
  })

  test('an error page a person understands, with a way to start again that works', async () => {
    const page = await openPage()
    await page.goto(`${url}/api/callback?code=stolen&state=0mwr0md1430f9d71d.${'A'.repeat(43)}`)
    await page.getByRole('heading').waitFor()
    expect(await page.evaluate<string>('getComputedStyle(document.querySelector("a")).padding')).not.toBe(
      '0px',
    )
    await page.getByRole('link', { name: 'Try again' }).click()
    await signInAsAda(page)
    await expectName(page, 'Ada Lovelace')
  })

  test("another site's page cannot sign anybody in without a click (R8)", async () => {
    const page = await openPage()
    const evil = url.replace('localhost', '127.0.0.1')
    await page.route(`${evil}/**`, (route) =>
      route.fulfill({
        contentType: 'text/html',
        body: `<meta http-equiv="refresh" content="0;url=${url}/api/login">`,
      }),
    )
    await page.goto(`${evil}/evil`)
    await page.getByRole('link', { name: 'Continue' }).waitFor()
    expect(await context.cookies(url)).toEqual([])
  })
})

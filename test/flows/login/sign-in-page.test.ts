import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { closeAfterTest, idp, providerPerFile, writeProvidersFile } from '../../support/fixtures.ts'
import { startPortico } from '../../support/portico.ts'

const test = providerPerFile()

const toSettings = (more: Record<string, string> = {}) => ({
  OIDC_ISSUER: idp.issuer,
  OIDC_CLIENT_ID: 'portico-test',
  OIDC_CLIENT_SECRET: 'test-client-secret',
  ...more,
})

async function start(
  providers: Record<string, Record<string, string>> = {
    staff: toSettings({ label: 'Staff of Example' }),
    partner: toSettings(),
  },
  env: Record<string, string> = {},
) {
  const portico = closeAfterTest(
    await startPortico({ env: { PROVIDERS_FILE: writeProvidersFile(providers), ...env } }),
  )
  idp.follow(portico.clock)
  const browser = createTestBrowser()
  const visit = (query = '', init = {}) => browser.visit(`${portico.url}/api/login${query}`, init)
  return { portico, browser, visit }
}

/** The addresses of the links on a page, as a browser reads them. */
const readLinks = async (response: Response) =>
  [...(await response.text()).matchAll(/<a href="([^"]*)"/g)].map(
    ([, href = '']) => new URL(href.replaceAll('&amp;', '&'), 'https://app.example.com'),
  )

describe('a navigation to /api/login that names no provider, where there are several', () => {
  test('gets a page with a link for each, and begins nothing', async () => {
    const { portico, browser, visit } = await start()
    const response = await visit()
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    const html = await response.clone().text()
    expect(html).toContain('app.example.com')
    expect(html).toMatch(/<span class="icon" aria-hidden="true">S<.*Staff of Example/)
    expect(html).toMatch(/<span class="icon" aria-hidden="true">P<.*Partner/)
    const links = await readLinks(response)
    expect(links.map(({ pathname, search }) => pathname + search)).toEqual([
      '/api/login?provider=staff',
      '/api/login?provider=partner',
    ])
    expect(browser.setCookies).toEqual([])
    expect(portico.logged.map(({ event }) => event)).not.toContain('login_started')
  })

  test('the links have all that was asked for, and lead to the provider', async () => {
    const { portico, browser, visit } = await start()
    const asked = {
      return_to: '/orders?a=1&b="<x>"#top',
      prompt: 'create',
      login_hint: 'ada+"<b>@example.com',
      acr_values: 'urn:a urn:b',
      max_age: '300',
      ui_locales: 'de en',
      idp: '0oa1',
      dpop_jkt: 'a'.repeat(43),
    }
    const [, partner] = await readLinks(await visit(`?${new URLSearchParams({ ...asked, other: 'x' })}`))
    expect(Object.fromEntries(partner?.searchParams ?? [])).toEqual({ ...asked, provider: 'partner' })
    const login = await browser.visit(`${portico.url}${partner?.pathname}${partner?.search}`)
    const { origin, pathname, searchParams } = new URL(login.headers.get('location') ?? '')
    expect(origin + pathname).toContain(new URL(idp.issuer).origin)
    expect(Object.fromEntries(searchParams)).toMatchObject({
      prompt: 'create',
      login_hint: asked.login_hint,
      max_age: '300',
      redirect_uri: 'https://app.example.com/api/callback/partner',
    })
    expect(portico.logged.findLast(({ event }) => event === 'login_started')).toMatchObject({
      provider: 'partner',
    })
  })

  test('it counts for no limit, because it asks neither the store nor a provider', async () => {
    const { portico, browser, visit } = await start(undefined, { RATE_LIMIT_LOGIN: '1/1m' })
    for (const _visit of [1, 2, 3]) expect((await visit()).status).toBe(200)
    const login = () => browser.visit(`${portico.url}/api/login?provider=staff`)
    expect([(await login()).status, (await login()).status]).toEqual([302, 429])
  })

  test('a silent login has no user who could choose: the first provider', async () => {
    const { visit } = await start()
    const response = await visit('?prompt=none')
    expect(response.status).toBe(302)
    expect(new URL(response.headers.get('location') ?? '').searchParams.get('redirect_uri')).toContain(
      '/staff',
    )
  })

  test('a malformed parameter is refused here already', async () => {
    const { visit } = await start()
    for (const query of ['?prompt=x', '?return_to=a&return_to=b', '?provider=']) {
      expect([query, (await visit(query)).status]).toEqual([query, 400])
    }
  })

  test('another site leads nobody to it without a click', async () => {
    const { visit } = await start()
    const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-user': undefined }
    expect((await visit('', { headers })).status).toBe(403)
  })

  test('with one provider there is no page', async () => {
    const { visit } = await start({ staff: toSettings() })
    expect((await visit()).status).toBe(302)
  })

  test('a fetch gets the first provider, as before', async () => {
    const { portico, browser } = await start()
    const response = await browser.fetch(`${portico.url}/api/login`)
    const { login_url: url } = (await response.json()) as { login_url: string }
    expect(new URL(url).searchParams.get('redirect_uri')).toContain('/staff')
  })

  test('after a login that failed, the user may choose again', async () => {
    const { portico, browser } = await start()
    const login = await browser.visit(`${portico.url}/api/login?provider=partner&return_to=/orders`)
    const state = new URL(login.headers.get('location') ?? '').searchParams.get('state')
    const refused = await browser.arrive(
      `${portico.url}/api/callback/partner?error=access_denied&state=${state}`,
    )
    expect(refused.status).toBe(403)
    expect((await readLinks(refused)).map(({ pathname, search }) => pathname + search)).toEqual([
      '/api/login?return_to=%2Forders&provider=partner',
      '/api/login?return_to=%2Forders',
      '/',
    ])
  })
})

describe('pictures', () => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8v8z"/></svg>'
  function writePicture(text: string): string {
    const folder = mkdtempSync(join(tmpdir(), 'portico-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'icon.svg')
    writeFileSync(path, text)
    return path
  }

  test('are in the page and in /api/providers, and only that page allows them', async () => {
    const icon = writePicture(svg)
    const { portico, browser, visit } = await start({ staff: toSettings({ icon }), partner: toSettings() })
    const data = `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`
    const page = await visit()
    expect(await page.text()).toContain(`<img class="icon" src="${data}" alt="">`)
    const policy = page.headers.get('content-security-policy')?.split(';')
    expect(policy).toEqual(expect.arrayContaining(["default-src 'none'", 'img-src data:']))
    expect(policy?.filter((directive) => directive.includes('script'))).toEqual([])
    const failed = await visit('?provider=other')
    expect(failed.headers.get('content-security-policy')?.split(';')).toEqual(
      policy?.filter((directive) => directive !== 'img-src data:'),
    )
    const providers = await browser.fetch(`${portico.url}/api/providers`)
    expect(await providers.json()).toEqual({
      providers: [
        { name: 'staff', label: 'Staff', icon: data },
        { name: 'partner', label: 'Partner', icon: null },
      ],
    })
  })
})

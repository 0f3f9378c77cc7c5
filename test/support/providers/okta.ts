import { createDemoProvider } from '../../../demo/provider/provider.ts'
import type { TestBrowser } from '../browser.ts'
import { startTestServer } from '../network/http-server.ts'
import { publicUrl } from '../portico.ts'

/** Starts the demo's provider, which behaves as Okta does, with a client for each way to authenticate. */
export async function startOkta() {
  const server = await startTestServer()
  const client = {
    redirect_uris: [`${publicUrl}/api/callback`, `${publicUrl}/signed-in`],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code' as const],
    require_auth_time: true,
    post_logout_redirect_uris: [`${publicUrl}/api/logout/callback`],
  }
  const { issuer, app } = await createDemoProvider({
    origin: server.origin,
    clients: [
      { ...client, client_id: 'portico-test', client_secret: 'test-client-secret' },
      {
        ...client,
        client_id: 'portico-post',
        client_secret: 'test-client-secret',
        token_endpoint_auth_method: 'client_secret_post',
      },
      { ...client, client_id: 'portico-public', token_endpoint_auth_method: 'none' },
    ],
  })
  server.serve(app)
  return { issuer, close: () => server.close() }
}

export const ada = { login: 'ada@example.com', password: 'analytical-engine', sub: '00u1ada0000000000001' }
export const alan = { login: 'alan@example.com', password: 'universal-machine', sub: '00u2alan000000000002' }

/** Signs a person out at the provider, as another app of the company would have it. */
export async function signOutDirectly(browser: TestBrowser, issuer: string): Promise<void> {
  const page = await (await browser.visit(`${issuer}/v1/logout?client_id=portico-test`)).text()
  await confirmSignOut(browser, page)
}

/** Takes a browser from the logout URL through the provider's logout; returns the URL it is sent to. */
export async function signOutAtOkta(browser: TestBrowser, logoutUrl: string): Promise<URL> {
  const page = await (await browser.visit(logoutUrl)).text()
  // With a valid id_token_hint, the provider must not ask.
  if (!page.includes("querySelector('button').click()") && page.includes('Sign out of the provider?')) {
    throw new Error('the provider asks the person')
  }
  return confirmSignOut(browser, page)
}

/** Confirms on the provider's page; returns the URL that the browser is sent to. */
async function confirmSignOut(browser: TestBrowser, page: string): Promise<URL> {
  const action = /action="([^"]+)"/.exec(page)?.[1] ?? ''
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(page)?.[1] ?? ''
  const body = new URLSearchParams({ xsrf, logout: 'yes' })
  const response = await browser.visit(action, { method: 'POST', body })
  return new URL(response.headers.get('location') ?? '', action)
}

/** Takes a browser from the login URL through the sign-in page; returns the URL the provider sends it to. */
export async function signInAtOkta(browser: TestBrowser, loginUrl: string, person = ada): Promise<URL> {
  const follow = (response: Response, from: string) =>
    new URL(response.headers.get('location') ?? '', from).href
  const page = follow(await browser.visit(loginUrl), loginUrl)
  if (page.startsWith(publicUrl)) return new URL(page)
  const body = new URLSearchParams({ login: person.login, password: person.password })
  const resume = follow(await browser.visit(page, { method: 'POST', body }), page)
  return new URL(follow(await browser.visit(resume), resume))
}

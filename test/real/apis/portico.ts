import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { text } from 'node:stream/consumers'
import type { JWK } from 'jose'
import { createDemoProvider } from '../../../demo/provider/provider.ts'
import { generatePrivateJwk } from '../../../src/app-token/signing-key.ts'
import type { SigningAlg } from '../../../src/crypto/app-token-header.ts'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { csrf, startLogin } from '../../support/login.ts'
import { readLogoutUrl } from '../../support/logout.ts'
import { freePort, startTestServer } from '../../support/network/http-server.ts'
import { testSecret } from '../../support/portico.ts'
import { startProcess } from '../../support/processes/start-process.ts'
import { signInAtOkta, signOutAtOkta } from '../../support/providers/okta.ts'

const client = { id: 'portico', secret: testSecret() }

/** Tokens that a user really got, at Portico or at its provider. */
export interface IssuedTokens {
  /** App tokens: as they come, for fewer scopes, for another API. */
  appToken: string
  narrowed: string
  forOtherApi: string
  /** The provider's, for the client that Portico is. */
  idToken: string
  accessToken: string
  logoutToken: string
}

/** A running Portico at which a user has signed in and out. */
export interface Portico {
  url: string
  /** The private key that signs its app tokens. */
  signingJwk: JWK
  tokens: IssuedTokens
  stop(): Promise<void>
}

/** Starts Portico with these settings, and an oidc-provider; collects the tokens of one user. */
export async function startPortico(settings: Record<string, string>): Promise<Portico> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const provider = await startProvider(url)
  const signingJwk = await generatePrivateJwk((settings.APP_TOKEN_ALG ?? 'ES256') as SigningAlg)
  const { APP_TOKEN_AUDIENCE: audience = url, ...others } = settings
  const otherAudience = 'https://billing.example.com'
  const server = startProcess('src/main.ts', ['serve'], {
    HOST: '127.0.0.1',
    PORT: String(port),
    BFF_SECRETS: testSecret(),
    SHUTDOWN_DRAIN: '0s',
    OIDC_ISSUER: provider.issuer,
    OIDC_CLIENT_ID: client.id,
    OIDC_CLIENT_SECRET: client.secret,
    OIDC_SCOPES: 'openid profile email groups offline_access orders:read',
    // An API that has to be compiled first starts later than a token of five minutes expires.
    APP_TOKEN_TTL: '15m',
    APP_TOKEN_KEYS: JSON.stringify({ keys: [signingJwk] }),
    ...others,
    PUBLIC_URL: url,
    APP_TOKEN_AUDIENCE: `${audience},${otherAudience}`,
  })
  const stop = async () => {
    await server.stop()
    await provider.close()
  }
  try {
    await server.line(/"server_listening"/)
    const browser = createTestBrowser()
    const callback = await signInAtOkta(browser, await startLogin({ url }, browser))
    assert.equal((await browser.fetch(`${url}/api/callback${callback.search}`)).status, 200)
    const take = (narrowed: object) => takeAppToken(url, browser, narrowed)
    const tokens: IssuedTokens = {
      appToken: await take({}),
      narrowed: await take({ scope: 'openid' }),
      forOtherApi: await take({ audience: otherAudience }),
      ...(await provider.takeTokens(browser)),
      logoutToken: await provider.takeLogoutToken(() => signOut(url, browser)),
    }
    return { url, signingJwk, tokens, stop }
  } catch (error) {
    process.stdout.write(server.output.text)
    await stop()
    throw error
  }
}

async function takeAppToken(url: string, browser: TestBrowser, narrowed: object): Promise<string> {
  const response = await browser.fetch(`${url}/api/token`, {
    method: 'POST',
    headers: { ...csrf, 'content-type': 'application/json' },
    body: JSON.stringify(narrowed),
  })
  const answer = (await response.json()) as { token?: string }
  assert.ok(answer.token, `no token for ${JSON.stringify(narrowed)}: ${JSON.stringify(answer)}`)
  return answer.token
}

async function signOut(url: string, browser: TestBrowser): Promise<void> {
  const ended = await browser.fetch(`${url}/api/logout`, { method: 'POST', headers: csrf })
  const ticket = await browser.visit((await readLogoutUrl(ended)) ?? '')
  await signOutAtOkta(browser, ticket.headers.get('location') ?? '')
}

/**
 * Starts an oidc-provider that behaves as Okta does. This script has the same client as Portico, with an
 * address of its own: it sees the tokens that Portico never gives away.
 */
async function startProvider(porticoUrl: string) {
  const [server, own] = [await startTestServer(), await startTestServer()]
  const redirectUri = `${own.origin}/callback`
  const { issuer, app } = await createDemoProvider({
    origin: server.origin,
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        redirect_uris: [`${porticoUrl}/api/callback`, redirectUri],
        post_logout_redirect_uris: [`${porticoUrl}/api/logout/callback`],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        require_auth_time: true,
        backchannel_logout_uri: `${own.origin}/logout`,
        backchannel_logout_session_required: true,
      },
    ],
  })
  server.serve(app)

  return {
    issuer,
    /** Signs the browser's user in once more, as the provider's session allows. */
    async takeTokens(browser: TestBrowser): Promise<Pick<IssuedTokens, 'idToken' | 'accessToken'>> {
      const verifier = randomBytes(32).toString('base64url')
      const query = new URLSearchParams({
        client_id: client.id,
        response_type: 'code',
        redirect_uri: redirectUri,
        scope: 'openid profile email groups orders:read',
        state: 'state',
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
      })
      const answer = await browser.visit(`${issuer}/v1/authorize?${query}`)
      const { searchParams } = new URL(answer.headers.get('location') ?? '')
      const response = await fetch(`${issuer}/v1/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(`${client.id}:${client.secret}`)}` },
        body: new URLSearchParams({
          grant_type: 'authorization_code',
          code: searchParams.get('code') ?? '',
          redirect_uri: redirectUri,
          code_verifier: verifier,
        }),
      })
      const tokens = (await response.json()) as { id_token?: string; access_token?: string }
      assert.ok(tokens.id_token && tokens.access_token, JSON.stringify(tokens))
      return { idToken: tokens.id_token, accessToken: tokens.access_token }
    },
    /** Returns the logout token that the provider sends to its client when the user signs out. */
    async takeLogoutToken(signOut: () => Promise<void>): Promise<string> {
      const received = new Promise<string>((resolve) => {
        own.serve(async (req, res) => {
          const body = new URLSearchParams(await text(req))
          res.end()
          resolve(body.get('logout_token') ?? '')
        })
      })
      await signOut()
      const token = await received
      assert.notEqual(token, '')
      return token
    },
    close: () => Promise.all([server.close(), own.close()]),
  }
}

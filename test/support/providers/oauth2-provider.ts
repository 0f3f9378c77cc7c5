import { createHash, randomUUID } from 'node:crypto'
import express from 'express'
import { startTestServer } from '../network/http-server.ts'

/** What this provider answers otherwise than it should. */
interface OAuth2Script {
  tokenResponse?: (body: Record<string, unknown>) => unknown
  refreshResponse?: (body: Record<string, unknown>) => unknown
  userinfo?: (claims: Record<string, unknown>) => unknown
}

/** Starts a plain OAuth 2.0 provider that a test scripts: no discovery, a user id in the token response. */
export async function startOAuth2Provider() {
  const server = await startTestServer()
  const codes = new Map<string, URLSearchParams>()
  const requests: { path: string; body: Record<string, string> }[] = []
  let script: OAuth2Script = {}

  const app = express()
  app.post('/token', express.urlencoded({ extended: false }), (req, res) => {
    const body = req.body as Record<string, string>
    requests.push({ path: req.originalUrl, body })
    const isRefresh = body.grant_type === 'refresh_token'
    const begun = codes.get(body.code ?? '')
    const challenge = begun?.get('code_challenge')
    const isProven =
      challenge === null ||
      challenge ===
        createHash('sha256')
          .update(body.code_verifier ?? '')
          .digest('base64url')
    if (!isRefresh && (begun === undefined || !isProven))
      return void res.status(400).json({ error: 'invalid_grant' })
    const answer = {
      access_token: randomUUID(),
      token_type: 'bearer',
      expires_in: 60,
      refresh_token: randomUUID(),
      user_id: 'u-1',
    }
    const change = isRefresh ? (script.refreshResponse ?? script.tokenResponse) : script.tokenResponse
    res.json(change?.(answer) ?? answer)
  })
  app.use('/users', (req, res) => {
    requests.push({ path: req.originalUrl, body: {} })
    const claims = { user_id: 'u-1', name: 'Grace Hopper' }
    res.json(script.userinfo?.(claims) ?? claims)
  })
  server.serve(app)

  return {
    origin: server.origin,
    requests,
    settings: {
      OAUTH_AUTHORIZATION_ENDPOINT: `${server.origin}/authorize`,
      OAUTH_TOKEN_ENDPOINT: `${server.origin}/token`,
      OAUTH_USERINFO_ENDPOINT: `${server.origin}/users/{user_id}`,
      OIDC_CLIENT_ID: 'plain',
      OIDC_SCOPES: 'profile offline_access',
    },
    /** Follows this script from now on. */
    script(next: OAuth2Script) {
      script = next
    },
    /** Follows no script any more: all is right. */
    reset() {
      script = {}
    },
    /** Signs a user in; returns the query that the provider sends the browser back with. */
    authorize(loginUrl: string): URLSearchParams {
      const asked = new URL(loginUrl).searchParams
      const code = randomUUID()
      codes.set(code, asked)
      return new URLSearchParams({ code, state: asked.get('state') ?? '' })
    },
    close: () => server.close(),
  }
}

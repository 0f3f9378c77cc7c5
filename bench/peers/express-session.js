import express from 'express'
import session from 'express-session'
import { createProxyMiddleware } from 'http-proxy-middleware'
import * as client from 'openid-client'

/** What people write by hand: express-session and openid-client, after the README of each. */
const { PORT, ISSUER, UPSTREAM } = process.env
const publicUrl = `http://127.0.0.1:${PORT}`
const config = await client.discovery(new URL(ISSUER), 'bench', 'bench-secret', undefined, {
  execute: [client.allowInsecureRequests],
})

const app = express()
app.use(session({ secret: 'a secret of the bench', resave: false, saveUninitialized: false }))

app.get('/login', async (req, res) => {
  const codeVerifier = client.randomPKCECodeVerifier()
  const [state, nonce] = [client.randomState(), client.randomNonce()]
  req.session.login = { codeVerifier, state, nonce }
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: `${publicUrl}/callback`,
    scope: 'openid profile email offline_access',
    code_challenge: await client.calculatePKCECodeChallenge(codeVerifier),
    code_challenge_method: 'S256',
    state,
    nonce,
  })
  res.redirect(url.href)
})

app.get('/callback', async (req, res) => {
  const { codeVerifier, state, nonce } = req.session.login
  const tokens = await client.authorizationCodeGrant(config, new URL(req.originalUrl, publicUrl), {
    pkceCodeVerifier: codeVerifier,
    expectedState: state,
    expectedNonce: nonce,
  })
  req.session.regenerate(() => {
    req.session.user = tokens.claims()
    keep(req.session, tokens)
    res.redirect('/')
  })
})

app.get('/me', (req, res) => {
  res.json(req.session.user === undefined ? { active: false } : { active: true, user: req.session.user })
})

app.get('/token', async (req, res) => {
  if (req.session.expiresAt <= Date.now()) {
    keep(req.session, await client.refreshTokenGrant(config, req.session.refreshToken))
  }
  res.json({ expires_at: req.session.expiresAt })
})

const requireUser = (req, res, next) => {
  if (req.session.user !== undefined) next()
  else res.sendStatus(401)
}
app.get('/auth', requireUser, (req, res) => {
  const { sub, email } = req.session.user
  res.set({ 'X-Auth-Subject': sub, 'X-Auth-Email': email }).end()
})
app.use(
  '/orders',
  requireUser,
  createProxyMiddleware({
    target: `${UPSTREAM}/orders`,
    on: {
      proxyReq: (call, req) => call.setHeader('Authorization', `Bearer ${req.session.accessToken}`),
    },
  }),
)

function keep(kept, tokens) {
  kept.accessToken = tokens.access_token
  kept.refreshToken = tokens.refresh_token
  kept.idToken = tokens.id_token
  kept.expiresAt = Date.now() + tokens.expires_in * 1000
}

app.listen(Number(PORT), '127.0.0.1')

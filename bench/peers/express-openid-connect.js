import express from 'express'
import { auth } from 'express-openid-connect'
import session from 'express-session'
import { createProxyMiddleware } from 'http-proxy-middleware'

/** Auth0's middleware, as its README sets it up, with express-session's memory store. */
const { PORT, ISSUER, UPSTREAM } = process.env
const app = express()
app.use(
  auth({
    baseURL: `http://127.0.0.1:${PORT}`,
    issuerBaseURL: ISSUER,
    clientID: 'bench',
    clientSecret: 'bench-secret',
    secret: 'a secret of the bench, thirty-two characters',
    authRequired: false,
    idTokenSigningAlg: 'RS256',
    authorizationParams: {
      response_type: 'code',
      response_mode: 'query',
      scope: 'openid profile email offline_access',
    },
    session: { store: new session.MemoryStore() },
  }),
)
app.get('/me', (req, res) => {
  res.json(req.oidc.isAuthenticated() ? { active: true, user: req.oidc.user } : { active: false })
})
app.get('/token', async (req, res) => {
  const token = req.oidc.accessToken
  const fresh = token.isExpired() ? await token.refresh() : token
  res.json({ expires_in: fresh.expires_in })
})
const requireUser = (req, res, next) => {
  if (req.oidc.isAuthenticated()) next()
  else res.sendStatus(401)
}
app.get('/auth', requireUser, (req, res) => {
  const { sub, email } = req.oidc.user
  res.set({ 'X-Auth-Subject': sub, 'X-Auth-Email': email }).end()
})
app.use(
  '/orders',
  requireUser,
  createProxyMiddleware({
    target: `${UPSTREAM}/orders`,
    on: {
      proxyReq: (call, req) =>
        call.setHeader('Authorization', `Bearer ${req.oidc.accessToken?.access_token}`),
    },
  }),
)
app.listen(Number(PORT), '127.0.0.1')

import express from 'express'
import { auth } from 'express-openid-connect'
import session from 'express-session'

/** Auth0's middleware, as its README sets it up, with express-session's memory store. */
const { PORT, ISSUER } = process.env
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
app.listen(Number(PORT), '127.0.0.1')

import type { Express, RequestHandler, Response } from 'express'
import { type CryptoKey, errors, jwtVerify } from 'jose'
import type { default as OidcProvider } from 'oidc-provider'
import { createDpopVerifier, InvalidDpopProof } from '../../src/app-token/dpop-proof.ts'
import { systemClock } from '../../src/clock.ts'
import { findUser, toClaims } from './users.ts'

const refuse = (res: Response) =>
  void res
    .status(401)
    .set('WWW-Authenticate', 'Bearer error="invalid_token"')
    .json({ error: 'invalid_token' })

interface JwtUserinfoOptions {
  issuer: string
  origin: string
  audience: string
  publicKey: CryptoKey
}

/**
 * Adds userinfo for JWT access tokens, as Okta has it. The one of oidc-provider refuses tokens that have an
 * audience.
 */
export function addJwtUserinfo(app: Express, path: string, options: JwtUserinfoOptions): void {
  const { issuer, origin, audience, publicKey } = options
  const seen = new Set<string>()
  const verifyProof = createDpopVerifier({
    clock: systemClock,
    reserveOnce: async (key) => !seen.has(key) && seen.add(key) !== undefined,
  })

  const handler: RequestHandler = async (req, res) => {
    const [scheme = '', accessToken = ''] = (req.get('authorization') ?? '').split(' ')
    try {
      const { payload } = await jwtVerify(accessToken, publicKey, { issuer, audience })
      const bound = (payload.cnf as { jkt?: string } | undefined)?.jkt
      if (scheme !== (bound === undefined ? 'Bearer' : 'DPoP')) return refuse(res)
      const request = { method: req.method, url: origin + path, accessToken }
      if (bound !== undefined && (await verifyProof(req.get('dpop') ?? '', request)) !== bound) {
        return refuse(res)
      }
      const user = findUser(String(payload.uid ?? payload.sub))
      return user === undefined ? refuse(res) : void res.json(toClaims(user))
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof InvalidDpopProof) return refuse(res)
      throw error
    }
  }
  app.get(path, handler)
}

/**
 * Adds userinfo of a plain OAuth 2.0 provider: its address names the user, and the access token must be that
 * user's.
 */
export function addPlainUserinfo(app: Express, provider: OidcProvider): void {
  app.get('/oauth2/userinfo/:userId', async (req, res) => {
    const [, accessToken = ''] = /^Bearer (\S+)$/.exec(req.get('authorization') ?? '') ?? []
    const token = await provider.AccessToken.find(accessToken)
    const user = findUser(token?.accountId ?? '')
    if (user === undefined || user.id !== req.params.userId) return refuse(res)
    const { sub: userId, ...claims } = toClaims(user)
    res.json({ user_id: userId, ...claims })
  })
  // The token response names the user in a field beside the tokens.
  provider.use(async (ctx, next) => {
    await next()
    const { oidc } = ctx
    if (oidc?.route === 'token' && ctx.status === 200 && oidc.account !== undefined) {
      ctx.body = { ...(ctx.body as object), user_id: oidc.account.accountId }
    }
  })
}

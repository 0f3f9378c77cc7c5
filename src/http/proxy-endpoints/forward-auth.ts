import type { Request, RequestHandler, Response } from 'express'
import type { SelectTokenClaims } from '../../app-token/token-claims.ts'
import type { Config } from '../../config/config.ts'
import { isEqualInConstantTime } from '../../crypto/constant-time.ts'
import { AppError } from '../../errors.ts'
import { assertAccess, needsUser } from '../../proxy/access.ts'
import type { AuthorizedSession, UpstreamTokens } from '../../proxy/tokens/upstream-token.ts'
import type { Observer } from '../../telemetry/observer.ts'
import { assertFromAllowedPage } from '../middleware/csrf.ts'
import { noSession } from '../middleware/require-session.ts'
import { isFromTrustedProxy } from '../request/address.ts'
import { createLoginAddress } from '../request/login-address.ts'
import { isNavigation } from '../request/navigation.ts'
import type { BrowserSessions } from '../session/browser-sessions.ts'
import { createForwardAuthRules, type ForwardAuthRule } from './forward-auth-rules.ts'
import { createIdentityHeaders } from './identity-headers.ts'
import { isWebSocket, type OriginalRequest, readOriginalRequest } from './original-request.ts'

interface ForwardAuthOptions {
  config: Config
  sessions: Pick<BrowserSessions, 'use' | 'mayBeWithheld'>
  upstreamTokens: Pick<UpstreamTokens, 'get'>
  selectTokenClaims: SelectTokenClaims
  observer: Pick<Observer, 'forwardAuth'>
}

/**
 * GET /forward-auth and /forward-auth/{route}: a reverse proxy asks whether a request may pass, and
 * who it is from (nginx auth_request, Traefik ForwardAuth, Caddy forward_auth). Envoy's ext_authz asks at
 * /forward-auth/{route};{parameters}/{path} by the method and the path of the original request.
 */
export function createForwardAuthHandler({
  config,
  sessions,
  upstreamTokens,
  selectTokenClaims,
  observer,
}: ForwardAuthOptions): RequestHandler {
  const readRule = createForwardAuthRules(config)
  const toIdentityHeaders = createIdentityHeaders(selectTokenClaims)
  const assertTrustedPeer = createTrustedPeerCheck()
  const toLogin = createLoginAddress(config, sessions)

  return async (req, res) => {
    const { rule, original } = readQuestion(req, res)
    try {
      const authorized = await authorize(req, rule, original)
      const headers = toIdentityHeaders(authorized?.session, rule.claims)
      if (rule.token.kind !== 'none') headers.push('Authorization', toAuthorization(authorized))
      res.writeHead(200, [...headers, 'Content-Length', '0'])
      res.end()
      observer.forwardAuth({ outcome: 'ok' })
    } catch (error) {
      refuse(req, res, { error, rule, original })
    }
  }

  /** What the proxy asks. If that is wrong, the log says how: nginx hands nothing of the answer's body on. */
  function readQuestion(req: Request, res: Response): { rule: ForwardAuthRule; original: OriginalRequest } {
    try {
      assertTrustedPeer(req)
      const { route, query, known } = readAddress(req, config.apiPath)
      const rule = readRule(route, query)
      assertMayGetToken(req, rule, config.forwardAuthSecret)
      return { rule, original: readOriginalRequest(req, known) }
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      const { code, detail, headers } = error
      observer.forwardAuth({ outcome: code })
      res.setHeader('X-Auth-Error', code)
      throw new AppError(code, detail, { reason: detail, headers, cause: error })
    }
  }

  /** Finds the session that may pass, and its token; undefined for a user who may pass without one. */
  async function authorize(
    req: Request,
    { access, token }: ForwardAuthRule,
    { method }: OriginalRequest,
  ): Promise<AuthorizedSession | undefined> {
    assertFromAllowedPage(req, { method, isWebSocket: isWebSocket(req) }, config)
    const { cookie, session } = await sessions.use(req, req.get('x-slide') !== 'false')
    if (session === undefined) {
      if (token.kind === 'optional' && !needsUser(access)) return undefined
      throw noSession(cookie)
    }
    assertAccess(session, access)
    if (token.kind === 'none') return { session, token: undefined }
    const authorized = await upstreamTokens.get(session, token)
    // Scopes and groups follow a refresh.
    if (authorized.session !== session) assertAccess(authorized.session, access)
    return authorized
  }

  /** Says why a request may not pass, in headers too: of some answers, nginx reads nothing else. */
  function refuse(
    req: Request,
    res: Response,
    { error, rule, original }: { error: unknown; rule: ForwardAuthRule; original: OriginalRequest },
  ): void {
    if (!(error instanceof AppError)) throw error
    observer.forwardAuth({ outcome: error.code })
    if (error.status === 401 && isNavigation(req)) {
      const login = toLoginUrl(req, original)
      if (rule.redirectsToLogin) return void res.status(302).location(login).end()
      res.setHeader('X-Auth-Login', login)
    }
    res.setHeader('X-Auth-Error', error.code)
    throw error
  }

  /**
   * Absolute, because Traefik resolves a relative address against this server's own.
   */
  function toLoginUrl(req: Request, { method, target = '' }: OriginalRequest): string {
    return config.publicUrl + toLogin(req, method === 'GET' ? target : '')
  }
}

/** Only a proxy can say what the original request was; a browser that asks directly would say anything. */
function createTrustedPeerCheck(): (req: Request) => void {
  // To parse an address costs a tenth of an answer: once for each connection.
  const trustedConnections = new WeakSet<Request['socket']>()
  return (req) => {
    if (trustedConnections.has(req.socket)) return
    if (isFromTrustedProxy(req)) {
      trustedConnections.add(req.socket)
      return
    }
    throw new AppError(
      'insufficient_authorization',
      'Only the reverse proxies that TRUST_PROXY names may ask here, by their own addresses.',
    )
  }
}

/**
 * A browser reaches this address through the same proxies, and its scripts read the headers of the answer: a
 * token is for a proxy alone that proves a secret.
 */
function assertMayGetToken(req: Request, { token }: ForwardAuthRule, secret: string | undefined): void {
  const given = req.get('x-forward-auth-secret')
  if (given === undefined && token.kind === 'none') return
  if (given !== undefined && secret !== undefined && isEqualInConstantTime(given, secret)) return
  throw new AppError(
    'insufficient_authorization',
    'The reverse proxy gets tokens only with FORWARD_AUTH_SECRET in the header X-Forward-Auth-Secret.',
  )
}

/** What the request line says: the route, and the parameters or (Envoy) the original request. */
function readAddress(
  req: Request,
  apiPath: string,
): {
  route: string | undefined
  query: string
  known: Partial<OriginalRequest>
} {
  const rest = req.originalUrl.slice(`${apiPath}/forward-auth`.length)
  const [, segment, target] = /^\/([^/?]*)(\/.*)$/.exec(rest) ?? []
  if (segment !== undefined) {
    // The query belongs to the original request; parameters stand in the segment (RFC 3986 3.3).
    const [route = '', ...parameters] = segment.split(';')
    const known = { method: req.method, target }
    return { route: route === '' ? undefined : route, query: parameters.join('&'), known }
  }
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    throw new AppError('method_not_allowed', 'Ask by GET, and send the original method in a header.', {
      headers: { Allow: 'GET' },
    })
  }
  const mark = rest.includes('?') ? rest.indexOf('?') : rest.length
  return { route: mark === 0 ? undefined : rest.slice(1, mark), query: rest.slice(mark + 1), known: {} }
}

/** The Authorization header; empty for a user who is not signed in, to replace what the client sent. */
function toAuthorization(authorized: AuthorizedSession | undefined): string {
  const token = authorized?.token
  if (token === undefined) return ''
  if (token.prove === undefined) return `Bearer ${token.token}`
  throw new AppError(
    'unprocessable',
    "The provider's token is bound to a key of this server, and useless to the proxy: use token=app, or OIDC_DPOP=off.",
  )
}

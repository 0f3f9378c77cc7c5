import express, { type Express, type Request } from 'express'
import { createDpopVerifier } from './app-token/dpop-proof.ts'
import { createIntrospection } from './app-token/introspection.ts'
import type { KeyRing } from './app-token/key-ring.ts'
import { createAppTokenMinter } from './app-token/mint.ts'
import { createTokenClaimPicker } from './app-token/token-claims.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config/config.ts'
import { createSealer } from './crypto/sealer.ts'
import { createCallbackHandler } from './http/browser-endpoints/callback.ts'
import { createLoginHandler } from './http/browser-endpoints/login.ts'
import { createLogoutCallbackHandler, createLogoutHandler } from './http/browser-endpoints/logout.ts'
import { createLogoutRedirect } from './http/browser-endpoints/logout-redirect.ts'
import { createProvidersHandler } from './http/browser-endpoints/providers.ts'
import { createSessionHandler } from './http/browser-endpoints/session.ts'
import {
  createOtherSessionsEndHandler,
  createSessionEndHandler,
  createSessionListHandler,
} from './http/browser-endpoints/sessions.ts'
import { createSignOut } from './http/browser-endpoints/sign-out.ts'
import { createTokenHandler } from './http/browser-endpoints/token.ts'
import { createUserinfoHandler } from './http/browser-endpoints/userinfo.ts'
import {
  answerBackChannelError,
  createBackChannelLogoutHandler,
} from './http/machine-endpoints/back-channel-logout.ts'
import { createFrontChannelLogoutHandler } from './http/machine-endpoints/front-channel-logout.ts'
import { createReadinessHandlers, type Lifecycle, livez } from './http/machine-endpoints/health.ts'
import { createIntrospectHandler } from './http/machine-endpoints/introspect.ts'
import { createOperatorGuard, createSubjectEndHandler } from './http/machine-endpoints/operator.ts'
import {
  createUniversalLogoutHandler,
  noteUniversalLogoutError,
} from './http/machine-endpoints/universal-logout.ts'
import {
  createClientJwksHandler,
  createJwksHandler,
  createMetadataHandler,
} from './http/machine-endpoints/well-known.ts'
import { formBody, jsonBody, jsonOrFormBody } from './http/middleware/body.ts'
import { createCors } from './http/middleware/cors.ts'
import { createCsrfGuard, createFormCsrfGuard, createLoginGuard } from './http/middleware/csrf.ts'
import { allowOnly, createProblemDetails, notFound } from './http/middleware/problem-details.ts'
import { createRateLimit } from './http/middleware/rate-limit.ts'
import { createRequestContext, noStore } from './http/middleware/request-context.ts'
import { createRequireFreshTokens } from './http/middleware/require-fresh-tokens.ts'
import { createSecurityHeaders } from './http/middleware/security-headers.ts'
import { refuseMalformed } from './http/middleware/well-formed.ts'
import { createTransactionCookies } from './http/request/cookies.ts'
import { createDpopHeaderReader } from './http/request/dpop-header.ts'
import { createBrowserSessions } from './http/session/browser-sessions.ts'
import { createRequireSession } from './http/session/require-session.ts'
import { createBeginLogin } from './login/begin.ts'
import { createCancelLogins } from './login/cancel.ts'
import { createCompleteLogin } from './login/complete.ts'
import { createLoginLedger } from './login/ledger.ts'
import { createRepeatedCallbacks } from './login/repeated-callbacks.ts'
import { createLoginSettlement } from './login/settlement.ts'
import { createBackChannelLogout } from './logout/back-channel.ts'
import { createReplayDetection } from './logout/replay-detection.ts'
import { createRpInitiatedLogout } from './logout/rp-initiated.ts'
import { createLogoutTickets } from './logout/ticket.ts'
import { createUniversalLogout } from './logout/universal.ts'
import type { Providers } from './provider/providers.ts'
import type { TokenRefresher } from './session/refresh/token-refresher.ts'
import type { Store } from './session/store.ts'
import type { SessionTermination } from './session/termination/session-termination.ts'
import type { TokenRevocation } from './session/termination/token-revocation.ts'
import type { Log } from './telemetry/logger.ts'

/** What the app stands on; `server.ts` makes them, tests hand in their own. */
export interface Components {
  config: Config
  clock: Clock
  log: Log
  store: Store
  providers: Providers
  termination: SessionTermination
  tokenRevocation: TokenRevocation
  tokenRefresher: TokenRefresher
  keyRing: KeyRing
  lifecycle: Lifecycle
}

/** Creates the app: every route, and the order of every guard, on this page. */
export function createApp(components: Components): Express {
  const { config, clock, store, providers, termination, tokenRefresher, keyRing } = components
  const transactions = createSealer(config.secrets, 'login-transaction')
  const transactionCookies = createTransactionCookies(config.secureCookies)
  const sessions = createBrowserSessions(components)
  const pickTokenClaims = createTokenClaimPicker(config)
  const mintAppToken = createAppTokenMinter({ config, pickTokenClaims, keyRing, clock })
  const reserveOnce = (key: string, lifetime: number) => store.reserveOnce(key, lifetime)
  const readDpopThumbprint = createDpopHeaderReader(
    config.publicUrl,
    createDpopVerifier({ clock, reserveOnce }),
  )
  const beginLogin = createBeginLogin({ config, providers, sealer: transactions, clock })
  const ledger = createLoginLedger({
    store,
    clock,
    sealer: createSealer(config.secrets, 'login-outcome'),
    // Code exchange, keys and userinfo, each within its deadline, and two of them once more for a nonce (RFC 9449 8).
    patience: 5 * config.longestTimeout,
  })
  const settlement = createLoginSettlement({
    ledger,
    store,
    termination,
    sealer: transactions,
    pickTokenClaims,
  })
  const repeatedCallbacks = createRepeatedCallbacks({ store, ledger })
  const completeLogin = createCompleteLogin({
    config,
    providers,
    sealer: transactions,
    ledger,
    settlement,
    repeatedCallbacks,
    clock,
  })
  const cancelLogins = createCancelLogins({ ledger, termination, sealer: transactions, clock })

  const logoutStates = createSealer(config.secrets, 'logout-state')
  const rpInitiatedLogout = createRpInitiatedLogout({ config, providers, sealer: logoutStates })
  const ticketSealer = createSealer(config.secrets, 'logout-ticket')
  const logoutTickets = createLogoutTickets({ config, store, sealer: ticketSealer, clock })
  const replayDetection = createReplayDetection({ store, clock })
  const logOutByBackChannel = createBackChannelLogout({ providers, termination, replayDetection })
  const logOutUniversally = createUniversalLogout({ config, providers, termination, replayDetection })
  const introspect = createIntrospection({ config, keyRing, store, clock })

  const csrf = createCsrfGuard(config.allowedOrigins)
  const formCsrf = createFormCsrfGuard(config.allowedOrigins)
  const loginGuard = createLoginGuard(config)
  const requireSession = createRequireSession(sessions, store)
  const requireFreshTokens = createRequireFreshTokens(tokenRefresher)
  const limitLogins = createRateLimit({ name: 'login', rate: config.rateLimits.login, store })
  // What another site's frames and images can send; all that asks the session store or the provider brings one of these.
  const isStray = (req: Request) =>
    !transactionCookies.hasAny(req) && !sessions.hasCookie(req) && req.get('dpop') === undefined
  const limitCallbacks = [
    createRateLimit({ name: 'callback', rate: config.rateLimits.login, store, skip: isStray }),
    // A count of their own: another site may spend it, and costs its visitors neither a login nor a call.
    createRateLimit({
      name: 'stray-callback',
      rate: config.rateLimits.api,
      store,
      skip: (req) => !isStray(req),
    }),
  ]
  const limitCalls = createRateLimit({ name: 'api', rate: config.rateLimits.api, store })

  const login = createLoginHandler({ config, beginLogin, cancelLogins, transactionCookies })
  const callback = createCallbackHandler({
    config,
    completeLogin,
    settlement,
    mintAppToken,
    sessions,
    providers,
    transactionCookies,
    readDpopThumbprint,
    keyRing,
    clock,
  })
  const signOut = createSignOut({ sessions, transactionCookies, cancelLogins })
  const session = createSessionHandler({ sessions, store, pickTokenClaims, clock })
  const listSessions = createSessionListHandler({ store, clock })
  const endSession = createSessionEndHandler({ signOut, store, termination })
  const endOtherSessions = createOtherSessionsEndHandler({ termination })
  const userinfo = createUserinfoHandler({ providers, tokenRefresher, clock })
  const token = createTokenHandler({ mintAppToken, readDpopThumbprint })
  const logoutRedirect = createLogoutRedirect({ config, logoutTickets })
  const logout = createLogoutHandler({
    config,
    signOut,
    sessions,
    termination,
    rpInitiatedLogout,
    logoutRedirect,
  })

  const app = express()
  app.disable('x-powered-by').disable('etag').enable('case sensitive routing').set('query parser', 'simple')
  // For addresses in logs and limits alone: nothing else is derived from forwarded headers.
  app.set('trust proxy', [...config.trustProxy])
  // express-session asks this before it sets a Secure cookie; how browsers reach us is for PUBLIC_URL to say.
  Object.defineProperty(app.request, 'secure', { get: () => config.secureCookies })
  // No answer of ours is ever "not modified", whatever a request's If-None-Match says.
  Object.defineProperty(app.request, 'fresh', { get: () => false })

  app.use(createRequestContext(components), createSecurityHeaders(), refuseMalformed)

  app.route('/livez').get(livez).all(allowOnly('GET'))
  app.route('/readyz').get(createReadinessHandlers(components)).all(allowOnly('GET'))
  app.route('/.well-known/jwks.json').get(createJwksHandler(keyRing)).all(allowOnly('GET'))
  app.route('/.well-known/client-jwks.json').get(createClientJwksHandler(config)).all(allowOnly('GET'))
  app
    .route('/.well-known/oauth-authorization-server')
    .get(createMetadataHandler(config))
    .all(allowOnly('GET'))

  app.use('/api', noStore, createCors(config.allowedOrigins))
  app.route('/api/providers').get(createProvidersHandler(providers)).all(allowOnly('GET'))
  app
    .route('/api/login')
    .head(allowOnly('GET', 'POST'))
    .get(loginGuard, limitLogins, login)
    .post(csrf, limitLogins, jsonBody, login)
    .all(allowOnly('GET', 'POST'))
  app
    .route('/api/callback')
    .head(allowOnly('GET', 'POST')) // a link checker must not spend the code
    .get(limitCallbacks, sessions.middleware, callback)
    .post(limitCallbacks, jsonOrFormBody, sessions.middleware, callback)
    .all(allowOnly('GET', 'POST'))
  app
    .route('/api/callback/:provider')
    .head(allowOnly('GET', 'POST'))
    .get(limitCallbacks, sessions.middleware, callback)
    .post(limitCallbacks, jsonOrFormBody, sessions.middleware, callback)
    .all(allowOnly('GET', 'POST'))
  app.route('/api/session').get(csrf, limitCalls, session).all(allowOnly('GET'))
  app
    .route('/api/token')
    .post(csrf, limitCalls, jsonBody, requireSession, requireFreshTokens, token)
    .all(allowOnly('POST'))
  app
    .route('/api/userinfo')
    .get(csrf, limitCalls, requireSession, requireFreshTokens, userinfo)
    .all(allowOnly('GET'))
  app
    .route('/api/sessions')
    .get(csrf, limitCalls, requireSession, listSessions)
    .delete(csrf, limitCalls, requireSession, endOtherSessions)
    .all(allowOnly('GET', 'DELETE'))
  app.route('/api/sessions/:id').delete(csrf, limitCalls, requireSession, endSession).all(allowOnly('DELETE'))
  app.route('/api/logout').post(formCsrf, jsonOrFormBody, logout).all(allowOnly('POST'))
  app
    .route('/api/logout/provider')
    .head(allowOnly('GET')) // a link checker must not spend the ticket
    .get(logoutRedirect.handler)
    .all(allowOnly('GET'))
  app.route('/api/logout/callback').get(createLogoutCallbackHandler(rpInitiatedLogout)).all(allowOnly('GET'))

  // From here on programs call, not browsers: no cookie counts.
  app
    .route('/api/backchannel-logout')
    .post(formBody, createBackChannelLogoutHandler(logOutByBackChannel), answerBackChannelError)
    .all(allowOnly('POST'))
  app
    .route('/api/frontchannel-logout')
    .get(limitCalls, createFrontChannelLogoutHandler({ providers, store, termination }))
    .all(allowOnly('GET'))
  app
    .route('/api/universal-logout')
    .post(jsonBody, createUniversalLogoutHandler(logOutUniversally), noteUniversalLogoutError)
    .all(allowOnly('POST'))
  app
    .route('/api/introspect')
    .post(formBody, createIntrospectHandler({ config, introspect }))
    .all(allowOnly('POST'))

  app.use(notFound)
  app.use(createProblemDetails(config))
  return app
}

/** Creates what operators reach on a port of their own, never browsers. */
export function createOperatorApp(components: Components, secret: string): Express {
  const { config, providers, termination } = components
  const app = express()
  app.disable('x-powered-by').disable('etag').enable('case sensitive routing').set('query parser', 'simple')
  app.use(createRequestContext(components), createSecurityHeaders(), noStore, createOperatorGuard(secret))
  app.use(refuseMalformed)

  app
    .route('/operator/subjects/:sub/sessions')
    .delete(createSubjectEndHandler({ providers, termination }))
    .all(allowOnly('DELETE'))

  app.use(notFound)
  app.use(createProblemDetails(config))
  return app
}

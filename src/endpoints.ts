import type { Request } from 'express'
import { createDpopNonces } from './app-token/dpop-nonce.ts'
import { createDpopVerifier } from './app-token/dpop-proof.ts'
import { createIntrospection } from './app-token/introspection.ts'
import { createKeyBinding } from './app-token/key-binding.ts'
import { createAppTokenMinter } from './app-token/mint.ts'
import type { Components } from './components.ts'
import { createSealer } from './crypto/sealer.ts'
import { createCallbackHandler } from './http/browser-endpoints/callback.ts'
import { createContinueHandler } from './http/browser-endpoints/continue.ts'
import { createLoginHandler, createSignInPage } from './http/browser-endpoints/login.ts'
import { createLoginTrace } from './http/browser-endpoints/login-trace.ts'
import { createLogoutCallbackHandler, createLogoutHandler } from './http/browser-endpoints/logout.ts'
import { createLogoutRedirect } from './http/browser-endpoints/logout-redirect.ts'
import { createProvidersHandler } from './http/browser-endpoints/providers.ts'
import { createSessionHandler } from './http/browser-endpoints/session.ts'
import {
  createOtherSessionsEndHandler,
  createSessionEndHandler,
  createSessionListHandler,
} from './http/browser-endpoints/sessions.ts'
import { createTokenHandler } from './http/browser-endpoints/token.ts'
import { createUserinfoHandler } from './http/browser-endpoints/userinfo.ts'
import { createHostGuards } from './http/embedded/host-guards.ts'
import { createBackChannelLogoutHandler } from './http/machine-endpoints/back-channel-logout.ts'
import { createFrontChannelLogoutHandler } from './http/machine-endpoints/front-channel-logout.ts'
import { createReadinessHandler, livez } from './http/machine-endpoints/health.ts'
import { createIntrospectHandler } from './http/machine-endpoints/introspect.ts'
import { createOpenApiHandler } from './http/machine-endpoints/openapi.ts'
import { createUniversalLogoutHandler } from './http/machine-endpoints/universal-logout.ts'
import {
  createClientJwksHandler,
  createJwksHandler,
  createMetadataHandler,
  createOpenidConfigurationHandler,
} from './http/machine-endpoints/well-known.ts'
import {
  createCsrfGuard,
  createFormCsrfGuard,
  createLoginGuard,
  createProxyCsrfGuard,
} from './http/middleware/csrf.ts'
import { createRateLimit } from './http/middleware/rate-limit.ts'
import { createRequireFreshTokens } from './http/middleware/require-fresh-tokens.ts'
import { createRequireSession } from './http/middleware/require-session.ts'
import { createForwardAuthHandler } from './http/proxy-endpoints/forward-auth.ts'
import {
  createMatchProxyRoute,
  createProxyHandler,
  createRequireRouteAccess,
} from './http/proxy-endpoints/proxy.ts'
import { createDpopHeaderReader } from './http/request/dpop-header.ts'
import { createTransactionCookies, type TransactionCookies } from './http/request/transaction-cookies.ts'
import { type BrowserSessions, createBrowserSessions } from './http/session/browser-sessions.ts'
import { isPostedFirst } from './http/session/second-arrival.ts'
import { createSignOut } from './http/session/sign-out.ts'
import { createBeginLogin } from './login/begin.ts'
import { createCancelLogins } from './login/cancel.ts'
import { createCompleteLogin } from './login/complete.ts'
import { createLoginLedger } from './login/ledger.ts'
import { createRepeatedCallbacks } from './login/repeated-callbacks.ts'
import { createLoginSettlement } from './login/settlement.ts'
import { createBackChannelLogout } from './logout/back-channel.ts'
import { createFrontChannelLogout } from './logout/front-channel.ts'
import { createReplayDetection } from './logout/replay-detection.ts'
import { createRpInitiatedLogout } from './logout/rp-initiated.ts'
import { createLogoutTickets } from './logout/ticket.ts'
import { createUniversalLogout } from './logout/universal.ts'

/** Creates the guards and the endpoints, under the names that `routes.ts` puts in order. */
export function createEndpoints(components: Components) {
  const { config } = components
  const sessions = createBrowserSessions(components)
  const transactionCookies = createTransactionCookies(config)
  const shared = { ...components, sessions, transactionCookies }
  return {
    ...createGuards(shared),
    ...createBrowserEndpoints(shared),
    ...createMachineEndpoints(components),
    proxy: createProxyHandler(components.proxy.forward, config),
    forwardAuth: createForwardAuthHandler(shared),
    host: createHostGuards(shared),
  }
}

/** The components, and what browsers' endpoints share. */
interface BrowserComponents extends Components {
  sessions: BrowserSessions
  transactionCookies: TransactionCookies
}

/** What a request must pass before an endpoint sees it. */
function createGuards(components: BrowserComponents) {
  const { config, store, providers, tokenRefresher, sessions, transactionCookies } = components
  const { rateLimits } = config
  // A request without any of these costs neither the session store nor the provider anything: another site's
  // frames and images can send it.
  const isBare = (req: Request) =>
    !transactionCookies.hasAny(req) && !sessions.hasCookie(req) && req.get('dpop') === undefined
  const isStray = (req: Request) => isBare(req) && !isPostedFirst(req, transactionCookies)
  return {
    csrf: createCsrfGuard(config),
    formCsrf: createFormCsrfGuard(config),
    proxyCsrf: createProxyCsrfGuard(config),
    loginGuard: createLoginGuard(config, providers),
    requireSession: createRequireSession(sessions),
    requireFreshTokens: createRequireFreshTokens(tokenRefresher),
    matchProxyRoute: createMatchProxyRoute(config),
    requireRouteAccess: createRequireRouteAccess(sessions),
    limitLogins: createRateLimit({ name: 'login', rate: rateLimits.login, store }),
    limitCalls: createRateLimit({ name: 'api', rate: rateLimits.api, store }),
    limitCallbacks: [
      createRateLimit({ name: 'callback', rate: rateLimits.login, store, skip: isBare }),
      // Bare ones count by themselves: if another site spends this limit, its visitors can still log in and
      // call. Not those that providers post: they only get a page.
      createRateLimit({ name: 'stray-callback', rate: rateLimits.api, store, skip: (req) => !isStray(req) }),
    ],
  }
}

/** What browsers call: login, session, token, logout. */
function createBrowserEndpoints(components: BrowserComponents) {
  const { config, clock, store, providers, termination, tokenRefresher, keyRing } = components
  const { observer, tracing } = components
  const { selectTokenClaims, signAppToken, sessions, transactionCookies, hooks, tokenRevocation } = components
  const { secrets } = config

  const assertKeyBinding = createKeyBinding(config.tokenBinding)
  const mintAppToken = createAppTokenMinter({ config, signAppToken, assertKeyBinding })
  const reserveOnce = (key: string, lifetime: number) => store.reserveOnce(key, lifetime)
  const nonces = createDpopNonces({ secrets, mode: config.tokenBinding.nonce, clock })
  const verifyDpopProof = createDpopVerifier({ clock, reserveOnce, nonces })
  const readDpopThumbprint = createDpopHeaderReader(config, verifyDpopProof)

  // Seals the transactions of logins.
  const sealer = createSealer(secrets, 'login-transaction')
  // The other request makes three calls (code exchange, keys, userinfo), and may repeat two of them for a
  // DPoP nonce (RFC 9449 8).
  const followTimeout = 5 * config.longestTimeout
  const ledger = createLoginLedger({
    store,
    clock,
    sealer: createSealer(secrets, 'login-outcome'),
    followTimeout,
  })
  const settlement = createLoginSettlement({ ledger, store, termination, sealer, selectTokenClaims })
  const repeatedCallbacks = createRepeatedCallbacks({ store, ledger })
  const beginLogin = createBeginLogin({ config, providers, sealer, clock, tracing })
  const completeLogin = createCompleteLogin({
    config,
    providers,
    sealer,
    ledger,
    settlement,
    repeatedCallbacks,
    assertKeyBinding,
    hooks,
    tokenRevocation,
    observer,
    clock,
  })
  const cancelLogins = createCancelLogins({ ledger, termination, sealer, clock })

  const signOut = createSignOut({ sessions, transactionCookies, cancelLogins })
  const logoutStateSealer = createSealer(secrets, 'logout-state')
  const rpInitiatedLogout = createRpInitiatedLogout({ config, providers, sealer: logoutStateSealer })
  const ticketSealer = createSealer(secrets, 'logout-ticket')
  const logoutTickets = createLogoutTickets({ config, store, sealer: ticketSealer, clock })
  const logoutRedirect = createLogoutRedirect({ config, logoutTickets })

  return {
    providers: createProvidersHandler(config),
    signInPage: createSignInPage(config, providers),
    login: createLoginHandler({ config, providers, beginLogin, cancelLogins, transactionCookies }),
    callback: createCallbackHandler({
      config,
      completeLogin,
      inLoginTrace: createLoginTrace({ tracing, sealer }),
      settlement,
      mintAppToken,
      sessions,
      providers,
      transactionCookies,
      readDpopThumbprint,
      keyRing,
      observer,
      clock,
    }),
    continueToPage: createContinueHandler(config),
    session: createSessionHandler({ sessions, selectTokenClaims, clock }),
    token: createTokenHandler({ mintAppToken, readDpopThumbprint, clock }),
    userinfo: createUserinfoHandler({ providers, tokenRefresher, clock }),
    listSessions: createSessionListHandler({ store, clock }),
    endSession: createSessionEndHandler({ signOut, store, termination }),
    endOtherSessions: createOtherSessionsEndHandler({ termination }),
    logout: createLogoutHandler({
      config,
      signOut,
      sessions,
      termination,
      rpInitiatedLogout,
      logoutRedirect,
    }),
    logoutAtProvider: logoutRedirect.handler,
    logoutCallback: createLogoutCallbackHandler(rpInitiatedLogout),
  }
}

/** What machines call: balancers, APIs and identity providers. These endpoints read no cookie. */
function createMachineEndpoints(components: Components) {
  const { config, clock, store, providers, termination, keyRing } = components
  const replayDetection = createReplayDetection({ store, clock })
  const backChannelLogout = createBackChannelLogout({ providers, termination, replayDetection })
  const frontChannelLogout = createFrontChannelLogout({ providers, store, termination })
  const universalLogout = createUniversalLogout({ config, providers, termination, replayDetection })
  const introspect = createIntrospection({ config, keyRing, store, clock })
  return {
    livez,
    readyz: createReadinessHandler(components),
    jwks: createJwksHandler(keyRing),
    clientJwks: createClientJwksHandler(config),
    metadata: createMetadataHandler(config),
    openidConfiguration: createOpenidConfigurationHandler(config, keyRing),
    openapi: createOpenApiHandler(config),
    backChannelLogout: createBackChannelLogoutHandler(backChannelLogout),
    frontChannelLogout: createFrontChannelLogoutHandler(frontChannelLogout),
    universalLogout: createUniversalLogoutHandler(universalLogout),
    introspect: createIntrospectHandler({ config, introspect }),
  }
}

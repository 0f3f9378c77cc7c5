import express, { type Express, type IRouter, type RequestHandler } from 'express'
import type { Components } from './components.ts'
import { createEndpoints } from './endpoints.ts'
import type { HostGuards } from './http/embedded/host-guards.ts'
import { handleBackChannelLogoutError } from './http/machine-endpoints/back-channel-logout.ts'
import { handleUniversalLogoutError } from './http/machine-endpoints/universal-logout.ts'
import { formBody, formBodyIfAny, jsonBody, jsonOrFormBody } from './http/middleware/body.ts'
import { createCors } from './http/middleware/cors.ts'
import { nameLogin } from './http/middleware/name-login.ts'
import { createProblemDetails, notFound } from './http/middleware/problem-details.ts'
import { createRequestContext } from './http/middleware/request-context.ts'
import { addResponseHeaders } from './http/middleware/response-headers.ts'
import { createRequestTracing } from './http/middleware/trace-requests.ts'
import { refuseMalformed } from './http/middleware/well-formed.ts'
import { below, createAddRoute, createAddressCheck } from './http/route.ts'
import { createOperatorEndpoints } from './operator-endpoints.ts'

/** The app of a configuration. */
export interface Routes {
  app: Express
  /** Whether a path, from the root of the origin, is an address of this app. Probes are the host's own. */
  isOwn(path: string): boolean
  /** What a host app uses for addresses of its own. */
  host: HostGuards
}

/**
 * Creates the app: every address, and before its endpoint every guard, in the order in which they run. `spa`
 * answers at all other addresses, where this server serves the SPA as well.
 */
export const createApp = (components: Components, spa?: RequestHandler): Express =>
  createRoutes(components, spa).app

/** As `createApp`; it also says which addresses the app has, for a host that has others. */
export function createRoutes(components: Components, spa?: RequestHandler): Routes {
  const { basePath, trustProxy } = components.config
  const app = createExpressApp(components)
  // For addresses in logs and rate limits, and for who may ask for forward auth.
  app.set('trust proxy', [...trustProxy])
  app.use(refuseMalformed)
  const to = createEndpoints(components)
  // Where PUBLIC_URL has a path, all addresses are below it.
  const router = basePath === '' ? app : express.Router({ caseSensitive: true })
  const addresses = addEndpoints(router, to, components)
  addProbes(router, to)
  const own = addresses.map((address) => basePath + address)
  if (router !== app) {
    // A build for this path has its files here; what it leaves are addresses of this server.
    if (spa !== undefined) router.use(spa, notFound)
    app.use(basePath, router)
    // Balancers know no path of PUBLIC_URL; and RFC 8414 3.1 puts that path of an issuer behind its own.
    addProbes(app, to)
    createAddRoute(app, own)(`/.well-known/oauth-authorization-server${basePath}`, { get: [to.metadata] })
  }
  // The SPA, which everyone may load: no guard.
  if (spa !== undefined) app.use(spa)
  app.use(notFound, createProblemDetails(components.config))
  return { app, isOwn: createAddressCheck(own), host: to.host }
}

type Endpoints = ReturnType<typeof createEndpoints>

/** Adds all addresses below PUBLIC_URL but the probes, and returns them. */
function addEndpoints(app: IRouter, to: Endpoints, { config }: Components): string[] {
  // API_PREFIX; docs/http-api.md writes addresses with its default.
  const { apiPrefix: api } = config
  const { csrf, formCsrf, loginGuard, requireSession, requireFreshTokens } = to
  const { limitLogins, limitCallbacks, limitCalls } = to
  const { proxyCsrf, matchProxyRoute, requireRouteAccess } = to
  // Those of which `app.all` gives the beginning; `route` adds the others.
  const addresses = [`${api}/forward-auth/*`, `${api}/proxy/*`]
  const route = createAddRoute(app, addresses)

  // Reverse proxies, before CORS: no page of another origin reads what they are answered.
  route(`${api}/forward-auth`, { get: [to.forwardAuth] })
  app.all(below(`${api}/forward-auth/`), to.forwardAuth)

  app.use(api, createCors(config))

  // Browsers: the SPA's calls, and navigations. The calls that every app repeats come first: an address costs
  // all those below it a comparison.
  route(`${api}/session`, { get: [csrf, limitCalls, to.session] })
  route(`${api}/session/continue`, { get: [to.continueToPage] })
  route(`${api}/token`, {
    post: [csrf, limitCalls, jsonBody, requireSession, requireFreshTokens, to.token],
  })
  route(`${api}/userinfo`, { get: [csrf, limitCalls, requireSession, requireFreshTokens, to.userinfo] })
  // The APIs behind the session, each below its own address and with the methods of its route. No limit by
  // address: the number of calls does not distinguish a user's work from an attack.
  app.all(below(`${api}/proxy/`), proxyCsrf, matchProxyRoute, requireRouteAccess, to.proxy)
  route(`${api}/providers`, { get: [to.providers] })
  route(`${api}/login`, {
    // The page begins nothing, and so counts for no limit.
    unsafeGet: [loginGuard, to.signInPage, limitLogins, to.login],
    // JSON by the SPA, or a form of another site (OpenID Connect Core 4), whose guard reads it.
    post: [formBodyIfAny, loginGuard, to.signInPage, limitLogins, jsonBody, to.login],
  })
  // No CSRF guard: the response must fit the transaction cookie of this browser, by its state.
  for (const path of [`${api}/callback`, `${api}/callback/:provider`]) {
    route<{ provider?: string }>(path, {
      unsafeGet: [nameLogin, limitCallbacks, to.callback],
      post: [limitCallbacks, jsonOrFormBody, nameLogin, to.callback],
    })
  }
  route(`${api}/sessions`, {
    get: [csrf, limitCalls, requireSession, to.listSessions],
    delete: [csrf, limitCalls, requireSession, to.endOtherSessions],
  })
  route<{ id: string }>(`${api}/sessions/:id`, { delete: [csrf, limitCalls, requireSession, to.endSession] })
  // A user can always sign out: no limit.
  route(`${api}/logout`, { post: [formCsrf, jsonOrFormBody, to.logout] })
  route(`${api}/logout/provider`, { unsafeGet: [to.logoutAtProvider] })
  route(`${api}/logout/callback`, { get: [to.logoutCallback] })

  // Machines: identity providers and APIs. These endpoints read no cookie. Signed tokens and client secrets
  // protect them, not limits: a provider may sign out many users at once, and an API asks for each of its
  // calls.
  route(`${api}/backchannel-logout`, { post: [formBody, to.backChannelLogout, handleBackChannelLogoutError] })
  route(`${api}/frontchannel-logout`, { get: [limitCalls, to.frontChannelLogout] })
  route(`${api}/universal-logout`, { post: [jsonBody, to.universalLogout, handleUniversalLogoutError] })
  route(`${api}/introspect`, { post: [formBody, to.introspect] })

  // Machines: readers of keys and metadata.
  route('/.well-known/jwks.json', { get: [to.jwks] })
  route('/.well-known/client-jwks.json', { get: [to.clientJwks] })
  route('/.well-known/oauth-authorization-server', { get: [to.metadata] })
  route('/.well-known/openid-configuration', { get: [to.openidConfiguration] })
  route(`${api}/openapi.json`, { get: [to.openapi] })
  return addresses
}

/** Adds what balancers ask. */
function addProbes(app: IRouter, to: Endpoints): void {
  const route = createAddRoute(app)
  route('/livez', { get: [to.livez] })
  route('/readyz', { get: [to.readyz] })
}

/** Creates the app for operators and their monitoring, which has a port of its own that no browser needs. */
export function createOperatorApp(components: Components): Express {
  const to = createOperatorEndpoints(components)
  const app = createExpressApp(components)
  const route = createAddRoute(app)

  // Everyone who reaches the port. The page has no data: it asks for the secret, and calls the API with it.
  if (to.metrics !== undefined) route('/metrics', { get: [refuseMalformed, to.metrics] })
  route('/livez', { get: [refuseMalformed, to.livez] })
  route('/readyz', { get: [refuseMalformed, to.readyz] })
  if (to.api !== undefined) route('/operator/', { get: [refuseMalformed, to.api.page] })

  // Operators. The guard comes first: without the secret, a request is not even judged to be malformed.
  if (to.api !== undefined) {
    const { guard, status, sessions, events, keys, rotateKeys, drain, stopDraining } = to.api
    app.use(guard, refuseMalformed)
    route('/operator/status', { get: [status] })
    route<{ sub: string }>('/operator/subjects/:sub/sessions', {
      get: [sessions.list],
      delete: [sessions.endOfSubject],
    })
    route('/operator/sessions', { delete: [sessions.endEveryone] })
    route<{ id: string }>('/operator/sessions/:id', { delete: [sessions.endOne] })
    route('/operator/events', { get: [events] })
    route('/operator/keys', { get: [keys] })
    route('/operator/keys/rotate', { post: [rotateKeys] })
    route('/operator/drain', { post: [drain], delete: [stopDraining] })
  }

  app.use(notFound, createProblemDetails(components.config))
  return app
}

/** An Express app whose requests have an id, a log and security headers. */
function createExpressApp(components: Components): Express {
  const app = express()
  app.disable('x-powered-by').disable('etag').enable('case sensitive routing').set('query parser', 'simple')
  // No answer is ever "304 Not Modified", whatever If-None-Match a request sends.
  Object.defineProperty(app.request, 'fresh', { get: () => false })
  addResponseHeaders(app)
  app.use(createRequestContext(components))
  if (components.tracing.isOn) app.use(createRequestTracing(components))
  return app
}

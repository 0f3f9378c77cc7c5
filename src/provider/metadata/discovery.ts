import * as client from 'openid-client'
import { z } from 'zod'
import type { Clock } from '../../clock.ts'
import type { ProviderConfig, StaticEndpoints } from '../../config/providers/provider-config.ts'
import type { AppError } from '../../errors.ts'
import { type Log, toLogText } from '../../telemetry/events.ts'
import { createClientAuth } from '../client/client-authentication.ts'
import { normalizeTokenResponses } from '../grants/normalize-token-response.ts'
import { translateProviderError } from '../transport/errors.ts'
import type { ProviderFetch } from '../transport/fetch.ts'
import { fetchJson } from '../transport/fetch-json.ts'
import { ProviderUnavailable, prefixReason, providerUnavailable } from '../transport/unavailable.ts'
import { omitEmpty } from './omit-empty.ts'
import { toStaticMetadata } from './static-metadata.ts'

/** A provider's metadata (RFC 8414 2), and what openid-client needs for a call to it. */
export interface AuthorizationServer {
  configuration: client.Configuration
  /** Copied once: openid-client clones the whole document at each access. */
  metadata: Readonly<client.ServerMetadata>
}

/** Fetches a provider's metadata, and keeps it up to date. */
export interface Discovery {
  /**
   * The provider's metadata, from memory once it was fetched.
   *
   * @throws AppError `provider_unavailable` while it could never be fetched
   */
  server(): Promise<AuthorizationServer>
  isReady(): boolean
  /** Fetches in the background until it succeeds: the provider may be down when this server starts. */
  start(): void
  stop(): void
}

interface DiscoveryOptions {
  config: ProviderConfig
  fetch: ProviderFetch
  clock: Clock
  log: Log
}

/** Creates the discovery of one provider; for a plain OAuth 2.0 provider, the configuration replaces it. */
export function createDiscovery(options: DiscoveryOptions): Discovery {
  const { endpoints } = options.config
  if (endpoints === undefined) return createLiveDiscovery(options)
  const server = toStaticServer(endpoints, options)
  return { server: async () => server, isReady: () => true, start() {}, stop() {} }
}

/** Milliseconds; older metadata is still used, while it is fetched again in the background. */
const freshFor = 60 * 60_000
const firstRetry = 1_000
const slowestRetry = 30_000

/** One fetch at a time, retried with back-off; known metadata is used while a newer one cannot be fetched. */
function createLiveDiscovery(options: DiscoveryOptions): Discovery {
  const { clock, log } = options
  const { issuer, tenants } = options.config
  let known: { server: AuthorizationServer; fetchedAt: number } | undefined
  let inFlight: Promise<AuthorizationServer> | undefined
  let failure: { error: AppError; retryAt: number; delay: number } | undefined
  let timer: NodeJS.Timeout | undefined
  let isStopped = false

  function fetchOnce(): Promise<AuthorizationServer> {
    inFlight ??= (tenants === undefined ? discover(options) : discoverForTenants(options, tenants.template))
      .then(keep, (error: unknown) => {
        throw failWith(translateDiscoveryError(error))
      })
      .finally(() => {
        inFlight = undefined
      })
    return inFlight
  }

  function keep(server: AuthorizationServer): AuthorizationServer {
    known = { server, fetchedAt: clock.now() }
    failure = undefined
    log('provider_discovered', { issuer })
    return server
  }

  function failWith(error: AppError): AppError {
    const delay = Math.min(failure === undefined ? firstRetry : failure.delay * 2, slowestRetry)
    failure = { error, retryAt: clock.now() + delay, delay }
    log('provider_unavailable', { issuer, reason: error.reason, retry_in_ms: delay })
    clearTimeout(timer)
    if (!isStopped) timer = setTimeout(fetchInBackground, delay).unref()
    return error
  }

  /** Failures are logged and retried. */
  const fetchInBackground = () => void fetchOnce().catch(() => {})

  const mayFetch = () => failure === undefined || clock.now() >= failure.retryAt

  return {
    async server() {
      if (known === undefined) {
        if (failure !== undefined && !mayFetch() && inFlight === undefined) throw failure.error
        return fetchOnce()
      }
      if (clock.now() - known.fetchedAt > freshFor && mayFetch()) fetchInBackground()
      return known.server
    },
    isReady: () => known !== undefined,
    start: fetchInBackground,
    stop() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}

/** Every failure of a discovery means the same to its caller: not available yet, try again. */
function translateDiscoveryError(error: unknown): AppError {
  const translated = translateProviderError(error, 'discovery')
  if (translated.code === 'provider_unavailable') return translated
  return providerUnavailable(translated.reason ?? `discovery: ${translated.code}`, { cause: error })
}

/** One discovery (OpenID Connect Discovery 1.0, 4), strict about the issuer and the endpoints. */
async function discover({ config, fetch, clock }: DiscoveryOptions): Promise<AuthorizationServer> {
  const issuer = new URL(config.issuer)
  const configuration = await client.discovery(
    issuer,
    config.clientId,
    toClientMetadata(config),
    createClientAuth(config, clock),
    {
      [client.customFetch]: toCustomFetch(fetch, config),
      // The configuration allows http on a loopback host only.
      execute: issuer.protocol === 'http:' ? [client.allowInsecureRequests] : [],
    },
  )
  leaveDeadlineToFetch(configuration)
  const metadata = omitEmpty(configuration.serverMetadata())
  assertIssuer(metadata.issuer, config.issuer)
  assertEndpoints(metadata, config.issuer)
  return { configuration, metadata }
}

/**
 * One discovery of an issuer for many tenants. Its document names a template in place of an issuer, which is
 * against the specification, so that openid-client refuses it.
 */
async function discoverForTenants(options: DiscoveryOptions, template: string): Promise<AuthorizationServer> {
  const { issuer } = options.config
  const address = `${issuer}/.well-known/openid-configuration`
  const { status, body } = await fetchJson(options.fetch, address).catch((error: unknown) => {
    throw error instanceof ProviderUnavailable ? prefixReason(error, 'discovery') : error
  })
  const { data } = z.looseObject({}).safeParse(body)
  if (data === undefined) throw providerUnavailable(`discovery: status ${status}, no discovery document`)
  assertIssuer(data.issuer, template)
  const metadata = omitEmpty({ ...data, issuer })
  assertEndpoints(metadata, issuer)
  return toServer(metadata, options)
}

/** The endpoints that a login needs. */
const neededEndpoints = ['authorization_endpoint', 'token_endpoint', 'jwks_uri'] as const

/** The endpoints that this server calls, or sends a browser to. */
const usedEndpoints = [
  ...neededEndpoints,
  'userinfo_endpoint',
  'pushed_authorization_request_endpoint',
  'revocation_endpoint',
  'end_session_endpoint',
] as const

/**
 * Section 4.3 requires the same text; openid-client compares normalized URLs, with exceptions for two
 * vendors.
 */
function assertIssuer(named: unknown, expected: string): void {
  if (named === expected) return
  throw providerUnavailable(`discovery: the document says issuer is ${toLogText(String(named))}`)
}

/** All that a login needs have to be there, and each that is used has the protocol of the issuer. */
function assertEndpoints(metadata: client.ServerMetadata, issuer: string): void {
  for (const name of neededEndpoints) {
    if (metadata[name] === undefined) throw providerUnavailable(`discovery: ${name} is missing`)
  }
  const { protocol } = new URL(issuer)
  const aliases = metadata.mtls_endpoint_aliases ?? {}
  for (const name of usedEndpoints) {
    for (const endpoint of [metadata[name], aliases[name]]) {
      if (endpoint !== undefined && URL.parse(endpoint)?.protocol !== protocol) {
        throw providerUnavailable(`discovery: ${name} is not ${protocol}//`)
      }
    }
  }
}

/** A plain OAuth 2.0 provider, whose metadata is known from the configuration. */
const toStaticServer = (endpoints: StaticEndpoints, options: DiscoveryOptions): AuthorizationServer =>
  toServer(toStaticMetadata(options.config, endpoints), options)

function toServer(
  metadata: client.ServerMetadata,
  { config, fetch, clock }: DiscoveryOptions,
): AuthorizationServer {
  const auth = createClientAuth(config, clock)
  const configuration = new client.Configuration(metadata, config.clientId, toClientMetadata(config), auth)
  configuration[client.customFetch] = toCustomFetch(fetch, config)
  // The configuration allows http on a loopback host only.
  client.allowInsecureRequests(configuration)
  leaveDeadlineToFetch(configuration)
  return { configuration, metadata }
}

/** The fetch for openid-client, which reads no more of a response than the members of a ProviderResponse. */
const toCustomFetch = (fetch: ProviderFetch, config: ProviderConfig) =>
  normalizeTokenResponses(fetch, config) as unknown as client.CustomFetch

/** OIDC_TIMEOUT is never longer than openid-client's own deadline, which would cost a timer for each call. */
function leaveDeadlineToFetch(configuration: client.Configuration): void {
  configuration.timeout = 0
}

const toClientMetadata = ({ clientAuth }: ProviderConfig): Partial<client.ClientMetadata> => ({
  use_mtls_endpoint_aliases: clientAuth.method === 'tls_client_auth',
})

import * as client from 'openid-client'
import type { Clock } from '../../clock.ts'
import type { ProviderConfig, StaticEndpoints } from '../../config/providers/provider-config.ts'
import type { AppError } from '../../errors.ts'
import { type Log, toLogText } from '../../telemetry/logger.ts'
import { createClientAuth } from '../client/client-authentication.ts'
import { translateProviderError } from '../transport/errors.ts'
import type { ProviderFetch } from '../transport/fetch.ts'
import { normalizeTokenResponses } from '../transport/normalize-token-response.ts'
import { providerUnavailable } from '../transport/unavailable.ts'
import { toStaticMetadata } from './static-metadata.ts'

interface DiscoveryOptions {
  config: ProviderConfig
  fetch: ProviderFetch
  clock: Clock
  log: Log
}

/** A provider that was found. */
export interface AuthorizationServer {
  configuration: client.Configuration
  /** Copied once: openid-client clones the whole document each time it is asked. */
  metadata: Readonly<client.ServerMetadata>
}

/** The provider's metadata, found out by ourselves and kept up to date, whatever the provider does. */
export interface Discovery {
  /**
   * The provider, from memory once it was found.
   *
   * @throws AppError `provider_unavailable` while it was never found
   */
  server(): Promise<AuthorizationServer>
  isReady(): boolean
  /** Begins in the background and goes on until it succeeds: the provider may be down at start. */
  start(): void
  stop(): void
}

const freshFor = 60 * 60_000
const firstRetry = 1_000
const slowestRetry = 30_000

/** The endpoints a login cannot do without. */
const neededEndpoints = ['authorization_endpoint', 'token_endpoint', 'jwks_uri'] as const

/** Every endpoint we may call or send a browser to. */
const usedEndpoints = [
  ...neededEndpoints,
  'userinfo_endpoint',
  'pushed_authorization_request_endpoint',
  'revocation_endpoint',
  'end_session_endpoint',
] as const

/** Some providers write `null` or nothing for an endpoint that they do not have. */
function withoutEmpty(metadata: client.ServerMetadata): client.ServerMetadata {
  const given = Object.entries(metadata).filter(([, value]) => value !== null && value !== '')
  return Object.fromEntries(given) as client.ServerMetadata & Record<string, never>
}

/** What this client tells openid-client of itself. */
const toClientMetadata = ({ clientAuth }: ProviderConfig): Partial<client.ClientMetadata> => ({
  use_mtls_endpoint_aliases: clientAuth.method === 'tls_client_auth',
})

/** One discovery (OpenID Connect Discovery 1.0, section 4), strict about the issuer. */
async function discover({ config, fetch, clock }: DiscoveryOptions): Promise<AuthorizationServer> {
  const issuer = new URL(config.issuer)
  const configuration = await client.discovery(
    issuer,
    config.clientId,
    toClientMetadata(config),
    createClientAuth(config.clientAuth, clock),
    {
      [client.customFetch]: normalizeTokenResponses(fetch, config),
      // The configuration admits http on a loopback host only.
      execute: issuer.protocol === 'http:' ? [client.allowInsecureRequests] : [],
    },
  )
  const metadata = withoutEmpty(configuration.serverMetadata())
  // openid-client compares normalized URLs, and forgives two vendors; section 4.3 asks for the same text.
  if (metadata.issuer !== config.issuer) {
    throw providerUnavailable(`discovery: the document says issuer is ${toLogText(metadata.issuer)}`)
  }
  for (const name of neededEndpoints) {
    if (metadata[name] === undefined) throw providerUnavailable(`discovery: ${name} is missing`)
  }
  const aliases = metadata.mtls_endpoint_aliases ?? {}
  for (const name of usedEndpoints) {
    for (const endpoint of [metadata[name], aliases[name]]) {
      if (endpoint !== undefined && URL.parse(endpoint)?.protocol !== issuer.protocol) {
        throw providerUnavailable(`discovery: ${name} is not ${issuer.protocol}//`)
      }
    }
  }
  return { configuration, metadata }
}

/** A plain OAuth 2.0 provider, which is known from the start. */
function toKnownProvider(
  endpoints: StaticEndpoints,
  { config, fetch, clock }: DiscoveryOptions,
): AuthorizationServer {
  const metadata = toStaticMetadata(config, endpoints)
  const auth = createClientAuth(config.clientAuth, clock)
  const configuration = new client.Configuration(metadata, config.clientId, toClientMetadata(config), auth)
  configuration[client.customFetch] = normalizeTokenResponses(fetch, config)
  // The configuration admits http on a loopback host only.
  client.allowInsecureRequests(configuration)
  return { configuration, metadata }
}

/** Whatever stops a discovery, the caller sees one thing: not available yet, try again. */
function toUnavailable(error: unknown): AppError {
  const cause = translateProviderError(error, 'discovery')
  if (cause.code === 'provider_unavailable') return cause
  return providerUnavailable(cause.reason ?? `discovery: ${cause.code}`, { cause: error })
}

/** Creates the discovery of one provider; of a plain OAuth 2.0 provider there is nothing to discover. */
export function createDiscovery(options: DiscoveryOptions): Discovery {
  const { endpoints } = options.config
  if (endpoints === undefined) return createLiveDiscovery(options)
  const known = toKnownProvider(endpoints, options)
  return { server: async () => known, isReady: () => true, start() {}, stop() {} }
}

/** Single flight, retried with back-off, stale metadata served on error. */
function createLiveDiscovery(options: DiscoveryOptions): Discovery {
  const { clock, log } = options
  let known: { provider: AuthorizationServer; foundAt: number } | undefined
  let inFlight: Promise<AuthorizationServer> | undefined
  let failure: { error: AppError; retryAt: number; delay: number } | undefined
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  function scheduleRetry(delay: number): void {
    clearTimeout(timer)
    if (!stopped) timer = setTimeout(() => attempt().catch(() => {}), delay).unref()
  }

  function attempt(): Promise<AuthorizationServer> {
    inFlight ??= discover(options)
      .then((provider) => {
        known = { provider, foundAt: clock.now() }
        failure = undefined
        log('provider_discovered', { issuer: options.config.issuer })
        return provider
      })
      .catch((cause: unknown) => {
        const error = toUnavailable(cause)
        const delay = Math.min(failure === undefined ? firstRetry : failure.delay * 2, slowestRetry)
        failure = { error, retryAt: clock.now() + delay, delay }
        log('provider_unavailable', {
          issuer: options.config.issuer,
          reason: error.reason,
          retry_in_ms: delay,
        })
        scheduleRetry(delay)
        throw error
      })
      .finally(() => {
        inFlight = undefined
      })
    return inFlight
  }

  const mayTry = () => failure === undefined || clock.now() >= failure.retryAt

  return {
    async server() {
      if (known === undefined) {
        if (failure !== undefined && !mayTry() && inFlight === undefined) throw failure.error
        return attempt()
      }
      // Nobody waits for the refresh, and its failure is logged above: the metadata we have still serves.
      if (clock.now() - known.foundAt > freshFor && mayTry()) attempt().catch(() => {})
      return known.provider
    },
    isReady: () => known !== undefined,
    start: () => void attempt().catch(() => {}),
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}

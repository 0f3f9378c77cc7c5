import * as client from 'openid-client'
import type { Clock } from '../clock.ts'
import type { ClientAuth, Config } from '../config/config.ts'
import type { AppError } from '../errors.ts'
import { type Log, toLogText } from '../telemetry/logger.ts'
import { toAppError } from './provider-errors.ts'
import type { ProviderFetch } from './provider-fetch.ts'
import { createUnavailable } from './provider-unavailable.ts'
import { clockTolerance } from './token-checks.ts'

interface DiscoveryOptions {
  config: Config['provider']
  fetch: ProviderFetch
  clock: Clock
  log: Log
}

/** A provider that was found. */
export interface DiscoveredProvider {
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
  provider(): Promise<DiscoveredProvider>
  isReady(): boolean
  /** Begins in the background and goes on until it succeeds: the provider may be down at start. */
  start(): void
  stop(): void
}

const freshFor = 60 * 60_000
const firstRetry = 1_000
const slowestRetry = 30_000

function toOpenidClientAuth(auth: ClientAuth): client.ClientAuth {
  switch (auth.method) {
    case 'none':
      return client.None()
    case 'client_secret_basic':
      return createBasicAuth(auth.secret)
    case 'client_secret_post':
      return client.ClientSecretPost(auth.secret)
  }
}

/**
 * HTTP Basic (RFC 6749 2.3.1). openid-client's own escapes "-" and "_" as well, which form encoding leaves alone and
 * servers that do not decode refuse.
 */
function createBasicAuth(secret: string): client.ClientAuth {
  const encode = (text: string) => new URLSearchParams([['', text]]).toString().slice(1)
  return (_server, { client_id: id }, _body, headers) => {
    const credentials = Buffer.from(`${encode(id)}:${encode(secret)}`).toString('base64')
    headers.set('authorization', `Basic ${credentials}`)
  }
}

/** Whether the provider names itself in its responses (RFC 9207 3); otherwise `iss` there means nothing. */
export function isIssAdvertised({ metadata }: DiscoveredProvider): boolean {
  return metadata.authorization_response_iss_parameter_supported === true
}

/** One discovery (OpenID Connect Discovery 1.0, section 4), strict about the issuer. */
async function discover({ config, fetch }: DiscoveryOptions): Promise<DiscoveredProvider> {
  const issuer = new URL(config.issuer)
  const configuration = await client.discovery(
    issuer,
    config.clientId,
    { id_token_signed_response_alg: config.idTokenAlg, [client.clockTolerance]: clockTolerance },
    toOpenidClientAuth(config.clientAuth),
    {
      [client.customFetch]: fetch,
      // The configuration admits http on a loopback host only.
      execute: issuer.protocol === 'http:' ? [client.allowInsecureRequests] : [],
    },
  )
  const metadata = configuration.serverMetadata()
  // openid-client compares normalized URLs, and forgives two vendors; section 4.3 asks for the same text.
  if (metadata.issuer !== config.issuer) {
    throw createUnavailable(`discovery: the document says issuer is ${toLogText(metadata.issuer)}`)
  }
  for (const name of ['authorization_endpoint', 'token_endpoint', 'jwks_uri'] as const) {
    if (metadata[name] === undefined) throw createUnavailable(`discovery: ${name} is missing`)
  }
  for (const name of ['authorization_endpoint', 'token_endpoint', 'jwks_uri', 'userinfo_endpoint'] as const) {
    const endpoint = metadata[name]
    if (endpoint !== undefined && URL.parse(endpoint)?.protocol !== issuer.protocol) {
      throw createUnavailable(`discovery: ${name} is not ${issuer.protocol}//`)
    }
  }
  return { configuration, metadata }
}

/** Whatever stops a discovery, the caller sees one thing: not available yet, try again. */
function toUnavailable(error: unknown): AppError {
  const cause = toAppError(error)
  if (cause.code === 'provider_unavailable') return cause
  return createUnavailable(`discovery: ${cause.reason ?? cause.code}`, { cause: error })
}

/** Creates the discovery of one provider: single flight, retried with back-off, stale metadata served on error. */
export function createDiscovery(options: DiscoveryOptions): Discovery {
  const { clock, log } = options
  let known: { provider: DiscoveredProvider; foundAt: number } | undefined
  let inFlight: Promise<DiscoveredProvider> | undefined
  let failure: { error: AppError; retryAt: number; delay: number } | undefined
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  function scheduleRetry(delay: number): void {
    clearTimeout(timer)
    if (!stopped) timer = setTimeout(() => attempt().catch(() => {}), delay).unref()
  }

  function attempt(): Promise<DiscoveredProvider> {
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
    async provider() {
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

import * as client from 'openid-client'
import type { Clock } from '../../clock.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { AppError } from '../../errors.ts'
import type { Log } from '../../telemetry/events.ts'
import { toClientSecret } from '../client/client-authentication.ts'
import { type DpopKey, type DpopKeys, toDpopOption } from '../client/dpop-keys.ts'
import { requiresPar, usesDpop, usesPar } from '../metadata/capabilities.ts'
import type { AuthorizationServer, Discovery } from '../metadata/discovery.ts'
import type { CircuitBreaker } from '../transport/circuit-breaker.ts'
import { hasNoOAuthError, readStatus, tokenError, translateProviderError } from '../transport/errors.ts'
import { withConfiguredParameters } from './configured-parameters.ts'
import { createRequestSigning } from './request-object.ts'

/** The parameters of an authorization request that differ for each login (OpenID Connect Core 3.1.2.1). */
export interface AuthorizationRequest {
  state: string
  nonce: string
  codeChallenge: string
  /** Optional parameters by their wire names, such as `prompt` and `login_hint`. */
  parameters: Readonly<Record<string, string>>
  /** The log of the login. */
  log: Log
}

/** A started authorization request. */
export interface StartedAuthorization {
  /** Where the browser has to go. */
  url: string
  /** JWK thumbprint of the DPoP key that the code will be bound to (RFC 9449 10). */
  dpopThumbprint: string | undefined
  /** The `prompt` that was sent, whether the request or the configuration contains it. */
  prompt: string | undefined
}

interface AuthorizationStartOptions {
  config: ProviderConfig
  discovery: Discovery
  dpopKeys: DpopKeys
  /** For pushed requests: a provider that hangs must not delay every login. */
  breaker: CircuitBreaker
  clock: Clock
}

/** Milliseconds without pushed requests after their endpoint was not found, which may be temporary. */
const parPause = 60_000

/** What the log calls a pushed request. */
const parCall = 'pushed authorization request'

/**
 * Creates the function that starts logins at one provider: by a pushed request (RFC 9126) where the provider
 * supports it, otherwise through the browser; signed (RFC 9101) where the configuration says so.
 */
export function createAuthorizationStart({
  config,
  discovery,
  dpopKeys,
  breaker,
  clock,
}: AuthorizationStartOptions) {
  /** Set when the provider's metadata names an endpoint for pushed requests that does not exist. */
  let parPausedUntil = 0
  const signRequest = createRequestSigning(config, clock)
  /** The address of the endpoint, with what openid-client adds for every login. */
  let endpoint: { server: AuthorizationServer; url: string } | undefined

  return async (request: AuthorizationRequest): Promise<StartedAuthorization> => {
    assertProvable(request, config)
    const server = await discovery.server()
    const dpop = usesDpop(config, server) ? await dpopKeys.find() : undefined
    const parameters = toParameters(request, config, dpop)
    const isPushed = usesPar(config, server) && clock.now() >= parPausedUntil
    const requestObject = await signRequest?.(server, parameters)
    const pushed = requestObject === undefined ? parameters : new URLSearchParams({ request: requestObject })
    const pushedUrl = isPushed ? await push(server, request, pushed, dpop) : undefined
    const url = pushedUrl?.href ?? toAuthorizationUrl(server, toBrowserParameters(parameters, requestObject))
    return { url, dpopThumbprint: dpop?.thumbprint, prompt: parameters.get('prompt') ?? undefined }
  }

  /** The request as an address. Built by openid-client once for each version of the metadata. */
  function toAuthorizationUrl(server: AuthorizationServer, parameters: URLSearchParams): string {
    if (endpoint?.server !== server) {
      const url = client.buildAuthorizationUrl(server.configuration, {})
      // An endpoint has no fragment (RFC 6749 3.1).
      url.hash = ''
      endpoint = { server, url: url.href }
    }
    return `${endpoint.url}&${parameters}`
  }

  /**
   * Pushes the request; undefined if the endpoint does not exist although the metadata names it, and the
   * provider does not require pushed requests.
   *
   * @throws AppError `provider_error`, `provider_unavailable`, `invalid_token_response`
   */
  function push(
    server: AuthorizationServer,
    { state, nonce, parameters: own, log }: AuthorizationRequest,
    parameters: URLSearchParams,
    dpop: DpopKey | undefined,
  ): Promise<URL | undefined> {
    return breaker.guard(() =>
      client
        .buildAuthorizationUrlWithPAR(server.configuration, parameters, toDpopOption(dpop))
        .catch((error: unknown) => {
          const reason = findMissingEndpoint(error, config)
          if (reason === undefined) {
            // The provider's message is logged, and may repeat what it was sent.
            const secrets = [state, nonce, ...Object.values(own), toClientSecret(config.clientAuth)]
            throw translateProviderError(error, parCall, secrets)
          }
          if (requiresPar(server)) {
            throw tokenError('invalid_token_response', reason, { cause: error })
          }
          log('pushed_request_skipped', { provider: config.name, issuer: config.issuer, reason })
          // A firewall may reject a user's own parameters, which says nothing about other requests.
          if (Object.keys(own).length === 0) parPausedUntil = clock.now() + parPause
          return undefined
        }),
    )
  }
}

function toParameters(
  { state, nonce, codeChallenge, parameters }: AuthorizationRequest,
  config: ProviderConfig,
  dpop: DpopKey | undefined,
): URLSearchParams {
  return withConfiguredParameters(config, {
    ...parameters,
    redirect_uri: config.redirectUri,
    scope: config.scopes.join(' '),
    state,
    nonce: config.verifiesIdToken ? nonce : undefined,
    code_challenge: config.pkce ? codeChallenge : undefined,
    code_challenge_method: config.pkce ? 'S256' : undefined,
    dpop_jkt: dpop?.thumbprint,
    // `query` is what a code comes by where the request does not say.
    response_mode: config.responseMode === 'query' ? undefined : config.responseMode,
  })
}

/**
 * What the browser carries to the provider: all parameters or, where they are signed, the request object with
 * all that counts. OpenID Connect Core 6.1 wants scope beside it, too.
 */
function toBrowserParameters(
  parameters: URLSearchParams,
  requestObject: string | undefined,
): URLSearchParams {
  if (requestObject === undefined) return parameters
  return new URLSearchParams({ scope: parameters.get('scope') ?? '', request: requestObject })
}

/** Only an ID token shows how and when a user signed in: without one, asking for it proves nothing. */
function assertProvable({ parameters }: AuthorizationRequest, { verifiesIdToken }: ProviderConfig): void {
  const asked = ['max_age', 'acr_values'].find((name) => name in parameters)
  if (verifiesIdToken || asked === undefined) return
  throw new AppError(
    'invalid_request',
    `This provider sends no ID token, without which ${asked} cannot be checked.`,
  )
}

/**
 * Why the endpoint for pushed requests does not exist for this client, if the error says so: RFC 9126 2.3
 * defines no redirect, 404 or 405 for a POST, and an endpoint without public clients answers 401 without an
 * error code (Spring Authorization Server).
 */
function findMissingEndpoint(error: unknown, { clientAuth }: ProviderConfig): string | undefined {
  const status = readStatus(error) ?? 0
  const isMissing = (status >= 300 && status < 400) || status === 404 || status === 405
  const refusesPublicClients = status === 401 && clientAuth.method === 'none' && hasNoOAuthError(error)
  return isMissing || refusesPublicClients ? `${parCall}: status ${status}` : undefined
}

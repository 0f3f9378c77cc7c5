import * as client from 'openid-client'
import type { Clock } from '../../clock.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { AppError } from '../../errors.ts'
import type { Log } from '../../telemetry/logger.ts'
import { toClientSecret } from '../client/client-authentication.ts'
import type { DpopKey, DpopKeys } from '../client/dpop-keys.ts'
import { requiresPar, usesDpop, usesPar } from '../metadata/capabilities.ts'
import type { AuthorizationServer, Discovery } from '../metadata/discovery.ts'
import type { CircuitBreaker } from '../transport/circuit-breaker.ts'
import { hasNoOAuthError, readStatus, tokenError, translateProviderError } from '../transport/errors.ts'
import { withConfiguredParameters } from './configured-parameters.ts'

/** Milliseconds without another try: it may have been one bad moment of something in between. */
const unpushedFor = 60_000

/** What the log calls a pushed request. */
const pushedRequest = 'pushed authorization request'

/** What an authorization request carries beside the client's own data (OpenID Connect Core 3.1.2.1). */
export interface AuthorizationRequest {
  state: string
  nonce: string
  codeChallenge: string
  /** Optional parameters by their wire names, such as `prompt` and `login_hint`. */
  parameters: Readonly<Record<string, string>>
}

/** An authorization request on its way. */
export interface StartedAuthorization {
  /** Where the browser has to go. */
  url: URL
  /** Thumbprint of the key that the code will be bound to (RFC 9449 10). */
  dpopThumbprint: string | undefined
  /** The `prompt` that was sent, of the request or of the configuration. */
  prompt: string | undefined
}

interface AuthorizationStartOptions {
  config: ProviderConfig
  discovery: Discovery
  dpopKeys: DpopKeys
  /** Stands before pushed requests: a provider that hangs must not hold every login. */
  breaker: CircuitBreaker
  clock: Clock
  log: Log
}

/** Creates the start of logins at one provider: pushed (RFC 9126) where it takes that, through the browser elsewhere. */
export function createAuthorizationStart({
  config,
  discovery,
  dpopKeys,
  breaker,
  clock,
  log,
}: AuthorizationStartOptions) {
  /** Until when requests to a provider that announces pushed ones, and did not take one, are not pushed. */
  let unpushedUntil = 0

  function toParameters(
    { state, nonce, codeChallenge, parameters }: AuthorizationRequest,
    dpop: DpopKey | undefined,
  ): URLSearchParams {
    return withConfiguredParameters(config, {
      ...parameters,
      response_type: 'code',
      redirect_uri: config.redirectUri,
      scope: config.scopes.join(' '),
      state,
      ...(config.verifiesIdToken ? { nonce } : {}),
      ...(config.pkce ? { code_challenge: codeChallenge, code_challenge_method: 'S256' } : {}),
      ...(dpop === undefined ? {} : { dpop_jkt: dpop.thumbprint }),
    })
  }

  /**
   * Pushes the request; undefined where the provider has no such endpoint in spite of its metadata, and does not insist.
   *
   * @throws AppError `provider_error`, `provider_unavailable`, `invalid_token_response`
   */
  function push(
    provider: AuthorizationServer,
    { state, nonce, parameters: given }: AuthorizationRequest,
    parameters: URLSearchParams,
    dpop: DpopKey | undefined,
  ): Promise<URL | undefined> {
    const options = dpop && { DPoP: dpop.handle }
    return breaker.guard(() =>
      client
        .buildAuthorizationUrlWithPAR(provider.configuration, parameters, options)
        .catch((error: unknown) => {
          const reason = findMissingEndpoint(error, config)
          if (reason === undefined) {
            // The provider's remark is logged, and may repeat what it was sent.
            const sent = [state, nonce, ...Object.values(given)]
            throw translateProviderError(error, pushedRequest, [...sent, toClientSecret(config.clientAuth)])
          }
          if (requiresPar(provider)) {
            throw tokenError('invalid_token_response', reason, { cause: error })
          }
          log('pushed_request_skipped', { issuer: config.issuer, reason })
          // A filter in between may turn away what one person asks for, which says nothing of the others' requests.
          if (Object.keys(given).length === 0) unpushedUntil = clock.now() + unpushedFor
          return undefined
        }),
    )
  }

  return async (request: AuthorizationRequest): Promise<StartedAuthorization> => {
    assertProvable(request, config)
    const provider = await discovery.server()
    const dpop = usesDpop(config, provider) ? await dpopKeys.find() : undefined
    const parameters = toParameters(request, dpop)
    const isPushed = usesPar(config, provider) && clock.now() >= unpushedUntil
    const pushed = isPushed ? await push(provider, request, parameters, dpop) : undefined
    const url = pushed ?? client.buildAuthorizationUrl(provider.configuration, parameters)
    return { url, dpopThumbprint: dpop?.thumbprint, prompt: parameters.get('prompt') ?? undefined }
  }
}

/** Nobody but an ID token tells how and when a person signed in: without one, asking for it proves nothing. */
function assertProvable({ parameters }: AuthorizationRequest, { verifiesIdToken }: ProviderConfig): void {
  const asked = ['max_age', 'acr_values'].find((name) => name in parameters)
  if (verifiesIdToken || asked === undefined) return
  throw new AppError('invalid_request', `This provider sends no ID token, which alone could prove ${asked}.`)
}

/**
 * Why the endpoint for pushed requests is none for us: RFC 9126 2.3 knows neither redirects nor these statuses for a POST, and
 * one that takes no public clients says 401 and nothing else (Spring Authorization Server).
 */
function findMissingEndpoint(error: unknown, { clientAuth }: ProviderConfig): string | undefined {
  const status = readStatus(error) ?? 0
  const isMissing = (status >= 300 && status < 400) || status === 404 || status === 405
  const isForOthers = status === 401 && clientAuth.method === 'none' && hasNoOAuthError(error)
  return isMissing || isForOthers ? `${pushedRequest}: status ${status}` : undefined
}

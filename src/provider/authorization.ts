import * as client from 'openid-client'
import type { ProviderConfig } from '../config/provider-config.ts'
import { AppError } from '../errors.ts'
import { usesDpop, usesPar } from './capabilities.ts'
import type { CircuitBreaker } from './circuit-breaker.ts'
import { toSentSecret } from './client-auth.ts'
import type { Discovery } from './discovery.ts'
import type { DpopKey, DpopKeys } from './dpop-keys.ts'
import { withConfigured } from './extra-parameters.ts'
import { toAppError } from './provider-errors.ts'

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
  dpopKey: string | undefined
  /** The `prompt` that was sent, of the request or of the configuration. */
  prompt: string | undefined
}

interface AuthorizationStartOptions {
  config: ProviderConfig
  discovery: Discovery
  dpopKeys: DpopKeys
  /** Stands before pushed requests: a provider that hangs must not hold every login. */
  breaker: CircuitBreaker
}

/** Creates the start of logins at one provider: pushed (RFC 9126) where it takes that, through the browser elsewhere. */
export function createAuthorizationStart({
  config,
  discovery,
  dpopKeys,
  breaker,
}: AuthorizationStartOptions) {
  function toParameters(
    { state, nonce, codeChallenge, parameters }: AuthorizationRequest,
    dpop: DpopKey | undefined,
  ): URLSearchParams {
    return withConfigured(config, {
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

  return async (request: AuthorizationRequest): Promise<StartedAuthorization> => {
    assertProvable(request, config)
    const provider = await discovery.provider()
    const { configuration } = provider
    const dpop = usesDpop(config, provider) ? await dpopKeys.find() : undefined
    const parameters = toParameters(request, dpop)
    const push = () =>
      client
        .buildAuthorizationUrlWithPAR(configuration, parameters, dpop && { DPoP: dpop.handle })
        .catch((error: unknown) => {
          // The provider's remark is logged, and may repeat what it was sent.
          const sent = [request.state, request.nonce, ...Object.values(request.parameters)]
          throw toAppError(error, 'pushed authorization request', [...sent, toSentSecret(config.clientAuth)])
        })
    const url = usesPar(config, provider)
      ? await breaker.guard(push)
      : client.buildAuthorizationUrl(configuration, parameters)
    return { url, dpopKey: dpop?.thumbprint, prompt: parameters.get('prompt') ?? undefined }
  }
}

/** Nobody but an ID token tells how and when a person signed in: without one, asking for it proves nothing. */
function assertProvable({ parameters }: AuthorizationRequest, { verifiesIdToken }: ProviderConfig): void {
  const asked = ['max_age', 'acr_values'].find((name) => name in parameters)
  if (verifiesIdToken || asked === undefined) return
  throw new AppError('invalid_request', `This provider sends no ID token, which alone could prove ${asked}.`)
}

import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { Sealer } from '../crypto/sealer.ts'
import { AppError } from '../errors.ts'
import type { Provider } from '../provider/provider.ts'
import type { Providers } from '../provider/providers.ts'
import { readReturnTo } from '../redirects/return-to.ts'
import { type Log, withFields } from '../telemetry/events.ts'
import type { Tracing } from '../telemetry/tracing/tracing.ts'
import { toLoginFailure } from './login-failed.ts'
import { createTransaction, type SealedTransaction, sealTransaction, toCodeChallenge } from './transaction.ts'

/** What a page may ask for when it begins a login (OpenID Connect Core 3.1.2.1). */
export interface LoginRequest {
  returnTo?: string | undefined
  /** Name of a configured provider; by default the first one, of those that `iss` names. */
  provider?: string | undefined
  /** The issuer for which a third party initiates the login (OpenID Connect Core 4). */
  iss?: string | undefined
  prompt?: string | undefined
  loginHint?: string | undefined
  /** Seconds. */
  maxAge?: number | undefined
  acrValues?: string | undefined
  uiLocales?: string | undefined
  /** Okta's id of an upstream identity provider. */
  idp?: string | undefined
  /** A session token that Okta gave a sign-in widget: Okta then skips its own sign-in page. */
  sessionToken?: string | undefined
  /** Thumbprint of the browser's key to which the session will be bound. */
  browserJkt?: string | undefined
}

/** A login in progress: where to send the browser, and the cookie that binds the response to this browser. */
export interface BegunLogin {
  loginUrl: string
  provider: string
  transaction: SealedTransaction
}

/**
 * Begins a login. It writes nothing to the store.
 *
 * @throws AppError `invalid_request`, `unknown_issuer`; LoginFailed with `provider_unavailable`,
 * `provider_error` and others, once the login has an id
 */
export type BeginLogin = (request: LoginRequest, log: Log) => Promise<BegunLogin>

interface BeginLoginOptions {
  config: Config
  providers: Providers
  sealer: Sealer
  clock: Clock
  tracing: Pick<Tracing, 'current'>
}

/** Creates the use case "begin a login". */
export function createBeginLogin({
  config,
  providers,
  sealer,
  clock,
  tracing,
}: BeginLoginOptions): BeginLogin {
  function chooseReturnTo(asked: string | undefined, log: Log): string {
    if (asked === undefined) return config.loginReturnTo
    const returnTo = readReturnTo(asked, config)
    if (returnTo === undefined) log('return_to_refused', { length: asked.length })
    return returnTo ?? '/'
  }

  function chooseProvider({ provider: name, iss }: LoginRequest): Provider {
    if (name !== undefined && providers.find(name) === undefined) {
      throw new AppError(
        'invalid_request',
        'There is no provider of this name. The list of providers names them all.',
      )
    }
    const candidates = iss === undefined ? providers.all : providers.findByInitiatedIssuer(iss)
    const [first] = candidates
    if (first === undefined) throw unknownIssuer(iss)
    const provider = name === undefined ? first : candidates.find((candidate) => candidate.name === name)
    if (provider !== undefined) return provider
    throw new AppError('invalid_request', 'provider and iss name different providers.')
  }

  return async (request, log) => {
    const provider = chooseProvider(request)
    const { maxAge, acrValues, browserJkt } = request
    const begun = createTransaction(
      {
        providerName: provider.name,
        issuer: provider.issuer,
        returnTo: chooseReturnTo(request.returnTo, log),
        maxAge,
        acrValues,
        browserJkt: config.tokenBinding.mode === 'none' ? undefined : browserJkt,
        traceparent: tracing.current()?.toContext().traceparent,
      },
      clock,
    )
    const { state, nonce, codeVerifier } = begun
    const { url, dpopThumbprint, prompt } = await provider
      .startAuthorization({
        state,
        nonce,
        codeChallenge: toCodeChallenge(codeVerifier),
        parameters: toAuthorizationParameters(request),
        log: withFields(log, { login: begun.id }),
      })
      .catch((error: unknown) => {
        throw toLoginFailure(error, begun)
      })
    const transaction = { ...begun, dpopThumbprint, prompt }
    return {
      loginUrl: url,
      provider: provider.name,
      transaction: { id: transaction.id, sealed: sealTransaction(sealer, transaction) },
    }
  }
}

/** The refusal of an `iss`. The log gets its origin alone, which cannot contain a secret. */
const unknownIssuer = (iss = '') =>
  new AppError('unknown_issuer', 'The page that sent you here names a provider that is not set up.', {
    reason: `iss is at ${URL.parse(iss)?.origin.slice(0, 200) ?? 'no address'}`,
  })

/** The login's wishes as parameters of the authorization request. */
function toAuthorizationParameters(request: LoginRequest): Record<string, string> {
  const parameters = {
    prompt: request.prompt,
    login_hint: request.loginHint,
    max_age: request.maxAge?.toString(),
    acr_values: request.acrValues,
    ui_locales: request.uiLocales,
    idp: request.idp,
    sessionToken: request.sessionToken,
  }
  return Object.fromEntries(
    Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}

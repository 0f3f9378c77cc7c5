import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { Sealer } from '../crypto/sealer.ts'
import type { Provider } from '../provider/provider.ts'
import type { Log } from '../telemetry/logger.ts'
import { readReturnTo } from './return-to.ts'
import { createTransaction, sealTransaction, toCodeChallenge } from './transaction.ts'

/** What the page that starts a login may ask for (OpenID Connect Core 3.1.2.1). */
export interface LoginRequest {
  returnTo?: string | undefined
  prompt?: string | undefined
  loginHint?: string | undefined
  /** Seconds. */
  maxAge?: number | undefined
  acrValues?: string | undefined
  uiLocales?: string | undefined
  /** Okta's name of an upstream identity provider. */
  idp?: string | undefined
}

/** A login begun: where to send the browser, and the cookie that ties the answer to it. */
export interface BegunLogin {
  loginUrl: string
  transactionId: string
  sealedTransaction: string
}

interface BeginLoginOptions {
  config: Config
  provider: Provider
  sealer: Sealer
  clock: Clock
}

/** Creates the use case "begin a login". It writes nothing to any store. */
export function createBeginLogin({ config, provider, sealer, clock }: BeginLoginOptions) {
  function chooseReturnTo(asked: string | undefined, log: Log): string {
    if (asked === undefined) return config.loginReturnTo
    const returnTo = readReturnTo(asked, config.publicUrl, config.allowedOrigins)
    if (returnTo === undefined) log('return_to_refused', { length: asked.length })
    return returnTo ?? '/'
  }

  /** @throws AppError `provider_unavailable` */
  return async function beginLogin(request: LoginRequest, log: Log): Promise<BegunLogin> {
    const { prompt, maxAge, acrValues } = request
    const transaction = createTransaction(
      {
        issuer: provider.issuer,
        returnTo: chooseReturnTo(request.returnTo, log),
        prompt,
        maxAge,
        acrValues,
      },
      clock,
    )
    const { state, nonce, codeVerifier } = transaction
    const loginUrl = await provider.createAuthorizationUrl({
      state,
      nonce,
      codeChallenge: toCodeChallenge(codeVerifier),
      parameters: toParameters(request),
    })
    return {
      loginUrl: loginUrl.href,
      transactionId: transaction.id,
      sealedTransaction: sealTransaction(sealer, transaction),
    }
  }
}

function toParameters(request: LoginRequest): Record<string, string> {
  const parameters = {
    prompt: request.prompt,
    login_hint: request.loginHint,
    max_age: request.maxAge?.toString(),
    acr_values: request.acrValues,
    ui_locales: request.uiLocales,
    idp: request.idp,
  }
  return Object.fromEntries(
    Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}

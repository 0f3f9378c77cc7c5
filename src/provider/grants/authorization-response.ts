import type { Clock } from '../../clock.ts'
import { isSignedMode, type ProviderConfig } from '../../config/providers/provider-config.ts'
import { AppError } from '../../errors.ts'
import type { JwksCache } from '../../jwks/jwks-cache.ts'
import { toLogText } from '../../telemetry/events.ts'
import { isIssAdvertised } from '../metadata/capabilities.ts'
import type { Discovery } from '../metadata/discovery.ts'
import { firstProblem } from '../tokens/claim-check.ts'
import { audiencesAreTrusted, wasNotIssuedInTheFuture } from '../tokens/id-token-checks.ts'
import { expectIssuer, toTokenIssuers } from '../tokens/tenants.ts'
import { asymmetricAlgs } from '../tokens/token-verifier.ts'
import { tokenError, translateTokenError } from '../transport/errors.ts'

/** What of an authorization response shows who sent it. */
export interface SentResponse {
  iss?: string | undefined
  error?: string | undefined
  /** The JWT that contains all of the response (JARM 2.1), not verified. */
  jwt?: string | undefined
}

interface ResponseCheckOptions {
  config: ProviderConfig
  discovery: Pick<Discovery, 'server'>
  keys: JwksCache
  clock: Clock
}

/**
 * Creates the check of who sent an authorization response: by its signature, where OIDC_RESPONSE_MODE asks
 * for one (JARM 2.4), and by its `iss` (RFC 9207 2.4). It returns whether the response names its issuer.
 *
 * @throws AppError `issuer_mismatch`, `invalid_authorization_response`; `provider_unavailable` without keys
 */
export function createResponseCheck({ config, discovery, keys, clock }: ResponseCheckOptions) {
  const { issuer, clientId, trustedAudiences, responseMode } = config
  const clockTolerance = config.clockTolerance / 1000

  return async ({ iss, error, jwt }: SentResponse): Promise<boolean> => {
    if (!isSignedMode(responseMode)) {
      if (jwt !== undefined) throw invalid(`it is a JWT, and OIDC_RESPONSE_MODE is ${responseMode}`)
      const isNamed = isIssAdvertised(await discovery.server())
      if (isNamed) assertIssuer(iss, [issuer], 'iss is missing though advertised')
      return isNamed
    }
    // Someone who can change an answer could also take its signature away.
    if (jwt === undefined)
      throw invalid(`it is not signed, and OIDC_RESPONSE_MODE is ${responseMode}${toAside(error)}`)
    await verify(jwt)
    return true
  }

  async function verify(jwt: string): Promise<void> {
    const now = clock.now()
    // Compared below: the answer of another issuer has an error code of its own.
    const { issuer: _issuer, ...signers } = expectIssuer(config, jwt)
    const claims = await keys
      .verify(jwt, {
        ...signers,
        audience: clientId,
        algorithms: asymmetricAlgs,
        requiredClaims: ['exp'],
        clockTolerance,
        currentDate: new Date(now),
      })
      .catch((error: unknown) => {
        throw translateTokenError(error, 'invalid_authorization_response')
      })
    assertIssuer(claims.iss, toTokenIssuers(config), 'iss is missing')
    const failed = firstProblem(checks, claims, { clientId, trustedAudiences, now, clockTolerance })
    if (failed !== undefined) throw invalid(failed.problem)
  }
}

/** The error of an answer without a signature, which may say why the provider did not sign it. */
const toAside = (error: string | undefined) => (error === undefined ? '' : `; its error: ${toLogText(error)}`)

const checks = [audiencesAreTrusted, wasNotIssuedInTheFuture]

const invalid = (reason: string) => tokenError('invalid_authorization_response', reason)

function assertIssuer(iss: string | undefined, expected: readonly string[], whereMissing: string): void {
  if (iss !== undefined && expected.includes(iss)) return
  throw new AppError(
    'issuer_mismatch',
    'The response does not come from the provider with which this sign-in was started.',
    { reason: iss === undefined ? whereMissing : 'iss is another issuer' },
  )
}

import { putOtherKey, signRequests } from '../../advice/remedies.ts'
import {
  isSignedMode,
  type ProviderConfig,
  type ResponseMode,
} from '../../config/providers/provider-config.ts'
import { isTrue } from '../../provider/metadata/capabilities.ts'
import { asymmetricAlgs } from '../../provider/tokens/token-verifier.ts'
import { type Finding, fail, pass, unknown } from '../finding.ts'
import { formatList, readList, type ServerMetadata } from '../server-metadata.ts'

/** Checks whether requests have to be signed, and by which algorithms they may be (RFC 9101 10.5). */
export function checkRequestObject(
  metadata: ServerMetadata,
  { requestObjectKeys: [key] }: ProviderConfig,
): Finding | undefined {
  const check = 'request object'
  const { require_signed_request_object: isRequired } = metadata
  if (key === undefined) {
    return isTrue(isRequired)
      ? fail(check, 'the provider requires signed requests, but OIDC_REQUEST_OBJECT=off', signRequests)
      : undefined
  }
  const offered = readList(metadata, 'request_object_signing_alg_values_supported')
  if (offered?.includes(key.alg)) return pass(check, `requests are signed by ${key.alg}`)
  if (offered === undefined) {
    return unknown(
      check,
      `requests are signed by ${key.alg}; the provider does not say whether it takes that`,
      'register the algorithm for this client there (request_object_signing_alg), and log in once',
    )
  }
  return fail(
    check,
    `the provider takes requests signed by ${formatList(offered)}, not ${key.alg}`,
    putOtherKey,
  )
}

/** Checks whether the provider has OIDC_RESPONSE_MODE (RFC 8414 2), and by which algorithms it signs. */
export function checkResponseMode(
  metadata: ServerMetadata,
  { responseMode: mode }: ProviderConfig,
): Finding | undefined {
  const check = 'response mode'
  if (mode === 'query') return undefined
  const offered = readList(metadata, 'response_modes_supported')
  if (offered === undefined) {
    return unknown(check, `the provider does not say whether it has ${mode}`, 'log in once to see it answer')
  }
  if (!toNames(mode).some((name) => offered.includes(name))) {
    return fail(
      check,
      `the provider offers ${formatList(offered)}, not ${mode}`,
      'set OIDC_RESPONSE_MODE to one that it offers, or turn this one on at the provider',
    )
  }
  const algs = readList(metadata, 'authorization_signing_alg_values_supported')
  if (!isSignedMode(mode) || algs === undefined) return pass(check, mode)
  if (algs.some((alg) => asymmetricAlgs.includes(alg))) return pass(check, `${mode}, signed`)
  return fail(
    check,
    `the provider signs its answers by ${formatList(algs)}: none of them can be verified by its keys`,
    'let it sign by one of RS256, PS256, ES256 and EdDSA (authorization_signed_response_alg)',
  )
}

/** The names of a mode in the metadata: with a code, `jwt` is another name of `query.jwt` (JARM 2.3.4). */
const toNames = (mode: ResponseMode): string[] =>
  mode === 'jwt' || mode === 'query.jwt' ? ['jwt', 'query.jwt'] : [mode]

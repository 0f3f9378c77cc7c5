import { createPublicKey } from 'node:crypto'
import { fixKeySet, publishKeys, setIdTokenAlg } from '../../advice/remedies.ts'
import type { AuthorizationServer } from '../../provider/metadata/discovery.ts'
import { toLogText } from '../../telemetry/events.ts'
import type { Examination } from '../examination.ts'
import { type Finding, fail, pass, unknown, warn } from '../finding.ts'
import { isKeycloak } from '../refusals/known-providers.ts'

/** Checks whether the provider publishes usable keys, and whether one of them fits OIDC_ID_TOKEN_ALG. */
export async function checkKeys(
  { provider, probe }: Examination,
  { metadata }: AuthorizationServer,
): Promise<Finding[]> {
  const { jwks_uri: uri } = metadata
  if (uri === undefined) return []
  const { status, text } = await probe.get(uri)
  const keys = status === 200 ? readKeys(text) : undefined
  if (keys === undefined) {
    return [fail(check, `${uri} holds no key set (status ${status})`, fixKeySet)]
  }
  const unusable = keys.filter((key) => !isUsable(key))
  if (keys.length === 0 || unusable.length === keys.length) {
    return [fail(check, `${uri} holds no key that can be used`, publishKeys)]
  }
  const findings = [
    pass(check, `${keys.length - unusable.length} ${keys.length === 1 ? 'key' : 'keys'} at ${uri}`),
  ]
  if (provider.verifiesIdToken && !keys.some((key) => fits(key, provider.idTokenAlg))) {
    const algs = keys.map(({ alg, kty }) => String(alg ?? kty))
    const message = `none of the keys (${toLogText(algs.join(', '))}) is for ${provider.idTokenAlg}`
    const fix = setIdTokenAlg
    // Keycloak makes a key for an algorithm when it signs with it for the first time.
    findings.push(
      isKeycloak(provider.issuer, metadata)
        ? unknown(check, `${message} so far`, `log in once, and run the doctor again; or ${fix}`)
        : fail(check, message, fix),
    )
  }
  const kids = keys.map(({ kid }) => kid)
  if (keys.length > 1 && (kids.includes(undefined) || new Set(kids).size < kids.length)) {
    findings.push(
      warn(
        check,
        'keys without a kid, or two with the same kid: they are tried one after the other',
        'the provider has to give each key a kid',
      ),
    )
  }
  return findings
}

const check = 'JWKS'

type Jwk = Record<string, unknown>

function readKeys(text: string): Jwk[] | undefined {
  try {
    const set: unknown = JSON.parse(text)
    const keys = typeof set === 'object' && set !== null && 'keys' in set ? set.keys : undefined
    return Array.isArray(keys)
      ? keys.filter((key): key is Jwk => typeof key === 'object' && key !== null)
      : undefined
  } catch {
    return undefined
  }
}

function isUsable(jwk: Jwk): boolean {
  try {
    return createPublicKey({ key: jwk as never, format: 'jwk' }).asymmetricKeyType !== undefined
  } catch {
    return false
  }
}

/** Whether a key may sign with an algorithm, by its own members (RFC 7517 4). */
function fits({ alg, kty, use }: Jwk, wanted: string): boolean {
  const family = wanted === 'EdDSA' ? 'OKP' : families[wanted[0] as keyof typeof families]
  return kty === family && (alg === undefined || alg === wanted) && (use === undefined || use === 'sig')
}

const families = { R: 'RSA', P: 'RSA', E: 'EC' } as const

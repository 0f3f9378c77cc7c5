import { errors, type JWK, type JWTPayload } from 'jose'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { isTenantId } from '../../config/providers/tenants.ts'
import { AppError } from '../../errors.ts'
import type { ExpectedJwt } from '../../jwks/key-set.ts'
import { tokenError } from '../transport/errors.ts'
import { readUnverifiedClaims } from './unverified-claims.ts'

type IssuerConfig = Pick<ProviderConfig, 'issuer' | 'tenants'>

/** The issuers that a provider's tokens may name: its own or, of many tenants, those that are allowed. */
export const toTokenIssuers = ({ issuer, tenants }: IssuerConfig): string[] =>
  tenants === undefined ? [issuer] : [...tenants.byIssuer.keys()]

/**
 * The issuer that a token must name, and the keys that may sign it. Keys of Entra ID have an `issuer` member:
 * that of the one tenant that they are for, or the template for all.
 */
export function expectIssuer(
  config: IssuerConfig,
  token: string,
): Pick<ExpectedJwt, 'issuer' | 'mayBeSignedBy'> {
  const { tenants } = config
  if (tenants === undefined) return { issuer: config.issuer }
  const { iss } = readUnverifiedClaims(token) ?? {}
  return {
    issuer: toTokenIssuers(config),
    mayBeSignedBy: (jwk: JWK & { issuer?: unknown }) =>
      jwk.issuer === tenants.template || (iss !== undefined && jwk.issuer === iss),
  }
}

/**
 * Checks that the tenant that a verified ID token names is the one of its issuer. `tid` comes only with the
 * scope `profile`; the issuer alone says which tenant it is.
 *
 * @throws AppError `invalid_id_token`
 */
export function assertTenant({ iss = '', tid }: JWTPayload, { tenants }: IssuerConfig): void {
  if (tenants === undefined || tid === undefined || tid === tenants.byIssuer.get(iss)) return
  throw tokenError('invalid_id_token', 'tid is another tenant than that of iss')
}

/**
 * The refusal of an ID token that a tenant issued which is not allowed; undefined for any other error. Its
 * signature is verified before its issuer.
 */
export function findForeignTenant(error: unknown, { tenants }: IssuerConfig): AppError | undefined {
  if (tenants === undefined || !(error instanceof errors.JWTClaimValidationFailed)) return undefined
  const { claim, payload } = error
  const [before = '', after = ''] = tenants.template.split('{tenantid}')
  const iss = typeof payload.iss === 'string' ? payload.iss : ''
  const tenant = iss.slice(before.length, iss.length - after.length)
  if (claim !== 'iss' || iss !== `${before}${tenant}${after}` || !isTenantId(tenant)) return undefined
  return new AppError(
    'invalid_id_token',
    'People of your organization cannot sign in to this app. Sign in with an account of another organization, or contact the people who run this app.',
    { reason: `its tenant is not one of OIDC_ALLOWED_TENANTS: ${tenant}` },
  )
}

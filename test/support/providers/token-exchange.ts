import type { KoaContextWithOIDC, default as OidcProvider } from 'oidc-provider'
import { errors } from '../../../demo/provider/oidc-provider.ts'

export const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'

/** What oidc-provider checks of a proof for its own grants, a nonce and the token's hash included. */
const validateProof = (
  (await import('oidc-provider/lib/helpers/validate_dpop.js' as string)) as {
    default: (
      provider: OidcProvider,
      ctx: object,
      token?: string,
    ) => Promise<{ thumbprint: string } | undefined>
  }
).default

interface TokenExchangeOptions {
  /** The audiences for which tokens are issued. */
  audiences: readonly string[]
  /** Seconds. */
  lifetime?: number
}

/**
 * Adds token exchange (RFC 8693) to oidc-provider, which has none. It is as strict as Keycloak: the subject
 * token must be active and of the same client, and a bound one needs a proof of its key.
 */
export function addTokenExchange(
  provider: OidcProvider,
  { audiences, lifetime = 300 }: TokenExchangeOptions,
): void {
  const parameters = ['subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'scope']
  provider.registerGrantType(exchangeGrant, exchange, parameters)

  async function exchange(ctx: KoaContextWithOIDC): Promise<void> {
    const { client, params = {} } = ctx.oidc
    const proof = await validateProof(provider, ctx)
    const subject = await provider.AccessToken.find(String(params.subject_token))
    if (subject === undefined || subject.isExpired || subject.clientId !== client?.clientId) {
      throw new errors.InvalidGrant('the subject token is not active')
    }
    if (subject.jkt !== proof?.thumbprint) throw new errors.InvalidGrant('the proof is of another key')
    for (const name of ['subject_token_type', 'requested_token_type']) {
      if (params[name] !== accessTokenType) throw new errors.InvalidRequest(`${name} is unknown`)
    }
    const audience = String(params.audience)
    if (!audiences.includes(audience)) throw new errors.InvalidTarget('the audience is unknown')
    const token = new provider.AccessToken({
      client,
      accountId: subject.accountId,
      grantId: subject.grantId ?? '',
      gty: exchangeGrant,
      scope: String(params.scope ?? 'all'),
    } as ConstructorParameters<typeof provider.AccessToken>[0])
    token.resourceServer = new provider.ResourceServer(audience, {
      audience,
      scope: token.scope ?? '',
      accessTokenTTL: lifetime,
      accessTokenFormat: 'jwt',
      jwt: { sign: { alg: 'RS256' } },
    })
    if (proof !== undefined) token.setThumbprint('jkt', proof.thumbprint)
    ctx.body = {
      access_token: await token.save(),
      issued_token_type: accessTokenType,
      token_type: proof === undefined ? 'Bearer' : 'DPoP',
      expires_in: lifetime,
      scope: token.scope,
    }
  }
}

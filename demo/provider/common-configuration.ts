import type { Configuration, KoaContextWithOIDC } from 'oidc-provider'
import { renderLogoutPage } from './sign-in-page.ts'
import { type ProviderVariant, scopes } from './variants.ts'

/** The configuration that all variants share. Users are not asked for consent, as in a company. */
export function toCommonConfiguration(
  { audience, signingAlg }: ProviderVariant,
  lifetime: number,
): Configuration {
  return {
    scopes,
    claims: {
      openid: ['sub', 'amr', 'acr', 'idp', 'ver'],
      profile: ['name', 'given_name', 'family_name', 'preferred_username', 'locale'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
    },
    acrValues: ['urn:okta:loa:1fa:any', 'urn:okta:loa:2fa:any'],
    extraParams: ['sessionToken'],
    responseTypes: ['code'],
    fetch: callAnyAddress,
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    loadExistingGrant: (ctx) => grantAll(ctx, audience),
    features: {
      devInteractions: { enabled: false },
      revocation: {
        enabled: true,
        allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId,
      },
      userinfo: { enabled: true },
      rpInitiatedLogout: { enabled: true, logoutSource: showLogoutPage },
      backchannelLogout: { enabled: true },
      ...(audience === undefined ? {} : { resourceIndicators: toResource(audience, signingAlg, lifetime) }),
    },
    ttl: {
      AccessToken: lifetime,
      AuthorizationCode: 300,
      Grant: 86_400,
      IdToken: 3600,
      Interaction: 3600,
      RefreshToken: 86_400,
      Session: 86_400,
    },
  }
}

/** Signs out without asking if the request has an ID token of this provider, as Okta does. */
async function showLogoutPage(ctx: KoaContextWithOIDC, form: string): Promise<void> {
  ctx.body = renderLogoutPage(form, { isSure: ctx.oidc.entities.IdTokenHint !== undefined })
}

/**
 * Fetches without the dispatcher of oidc-provider, which refuses addresses of this machine: Portico runs
 * here, and receives back-channel logouts.
 */
function callAnyAddress(url: string | URL | Request, options: RequestInit & { dispatcher?: unknown } = {}) {
  const { dispatcher: _, ...rest } = options
  return fetch(url, rest)
}

function toResource(audience: string, alg: 'RS256' | 'ES256', lifetime: number) {
  return {
    enabled: true,
    defaultResource: () => audience,
    useGrantedResource: () => true,
    getResourceServerInfo: () => ({
      scope: scopes.join(' '),
      audience,
      accessTokenTTL: lifetime,
      accessTokenFormat: 'jwt' as const,
      jwt: { sign: { alg } },
    }),
  }
}

async function grantAll(ctx: KoaContextWithOIDC, audience: string | undefined) {
  const { client, session, provider } = ctx.oidc
  if (client === undefined || session?.accountId === undefined) return undefined
  const existing = session.grantIdFor(client.clientId)
  const grant =
    (existing === undefined ? undefined : await provider.Grant.find(existing)) ??
    new provider.Grant({ clientId: client.clientId, accountId: session.accountId })
  grant.addOIDCScope(scopes.join(' '))
  if (audience !== undefined) grant.addResourceScope(audience, scopes.join(' '))
  await grant.save()
  return grant
}

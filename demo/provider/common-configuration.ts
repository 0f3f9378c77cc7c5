import type { Configuration, KoaContextWithOIDC } from 'oidc-provider'
import { renderLogoutPage } from './sign-in-page.ts'
import { type ProviderVariant, scopes } from './variants.ts'

/** What all variants have in common: one company, whose people are asked for no consent. */
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
    fetch: callAnybody,
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

/** Who brings an ID token of this provider is signed out without being asked, as at Okta. */
async function showLogoutPage(ctx: KoaContextWithOIDC, form: string): Promise<void> {
  ctx.body = renderLogoutPage(form, { isSure: ctx.oidc.entities.IdTokenHint !== undefined })
}

/** oidc-provider hands over a dispatcher that keeps it from calling this machine, where Portico is to hear of logouts. */
function callAnybody(url: string | URL | Request, options: RequestInit & { dispatcher?: unknown } = {}) {
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

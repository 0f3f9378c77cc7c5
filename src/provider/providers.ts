import { toOktaOrg } from '../config/providers/okta.ts'
import type { ProviderSubject } from './identity/app-sub.ts'
import type { Provider } from './provider.ts'
import { readUnverifiedClaims } from './tokens/unverified-claims.ts'

/** The configured providers, in the order of the configuration. */
export interface Providers {
  readonly all: readonly Provider[]
  /** The one for a login that names none. */
  readonly first: Provider
  find(name: string): Provider | undefined
  /**
   * The provider that a login or a session came from; undefined if it is no longer configured, or its name
   * now belongs to another issuer, which must not receive the tokens.
   */
  findConfigured(origin: { readonly providerName: string; readonly issuer: string }): Provider | undefined
  /** The providers of an issuer: several, if this server is registered there as several clients. */
  findByIssuer(issuer: string): Provider[]
  /**
   * The providers that `iss` of a third-party initiated login names (OpenID Connect Core 4). Okta's dashboard
   * names its org, also for an app at one of its custom servers; the org may have two names, one of which is
   * the caller of Universal Logout.
   */
  findByInitiatedIssuer(iss: string): Provider[]
  /** The providers whose issuer and client a logout token names; the token is not verified yet. */
  findByLogoutToken(logoutToken: string): Provider[]
  /** The providers whose users the caller of Universal Logout may sign out; its token is not verified yet. */
  findByUniversalLogoutToken(token: string): Provider[]
  /** The provider of an app token's `sub`, and the user there. */
  findByAppSub(appSub: string): ({ provider: Provider } & ProviderSubject) | undefined
}

/** Creates the directory of providers. */
export function createProviders(all: readonly [Provider, ...Provider[]]): Providers {
  const byName = new Map(all.map((provider) => [provider.name, provider]))
  return {
    all,
    first: all[0],
    find: (name) => byName.get(name),
    findConfigured({ providerName, issuer }) {
      const provider = byName.get(providerName)
      return provider !== undefined && isOfIssuer(provider, issuer) ? provider : undefined
    },
    findByInitiatedIssuer(iss) {
      const named = withoutSlash(iss)
      return all.filter(({ issuer, tokenIssuers, universalLogoutIssuer = issuer }) =>
        [issuer, ...tokenIssuers, toOktaOrg(issuer), universalLogoutIssuer].some(
          (known) => withoutSlash(known) === named,
        ),
      )
    },
    findByIssuer: (issuer) => all.filter((provider) => isOfIssuer(provider, issuer)),
    findByLogoutToken(token) {
      const { iss, aud } = readUnverifiedClaims(token) ?? {}
      return all.filter(
        ({ tokenIssuers, clientId }) =>
          tokenIssuers.some((issuer) => issuer === iss) && [aud].flat().includes(clientId),
      )
    },
    findByUniversalLogoutToken(token) {
      const { iss, sub } = readUnverifiedClaims(token) ?? {}
      const ofIssuer = all.filter(
        ({ universalLogoutIssuer }) => iss !== undefined && universalLogoutIssuer === iss,
      )
      const ofClient = ofIssuer.filter(({ clientId }) => clientId === sub)
      // Keep one candidate so that a token for the wrong client is refused with a specific error after
      // verification.
      return ofClient.length > 0 ? ofClient : ofIssuer.slice(0, 1)
    },
    findByAppSub(appSub) {
      const [found] = all.flatMap((provider) => {
        const subject = provider.readAppSub(appSub)
        return subject === undefined ? [] : { provider, ...subject }
      })
      return found
    },
  }
}

/** An issuer for a comparison that decides nothing but where a user signs in. */
const withoutSlash = (issuer: string) => issuer.replace(/\/$/, '')

/** A login is begun with the provider's own issuer; a session has that of the token. */
const isOfIssuer = ({ issuer, tokenIssuers }: Provider, asked: string) =>
  asked === issuer || tokenIssuers.includes(asked)

import type { Provider } from './provider.ts'
import { readUnverifiedClaims } from './tokens/unverified-claims.ts'

/** The configured providers, in the order of the configuration. */
export interface Providers {
  readonly all: readonly Provider[]
  /** The one that a login uses where it names none. */
  readonly first: Provider
  find(name: string): Provider | undefined
  /**
   * The provider that a login or a session came from; undefined where the name now belongs to another issuer: its
   * tokens are for the one that gave them alone.
   */
  findConfigured(origin: { readonly providerName: string; readonly issuer: string }): Provider | undefined
  /** Those of an issuer: several where one provider knows this server as several clients. */
  findByIssuer(issuer: string): Provider[]
  /** Those a logout token seems to speak for; whether it does is for them to verify. */
  findByLogoutToken(logoutToken: string): Provider[]
  /** Those whose people the bearer of this token may sign out, if the token is what it says. */
  findByUniversalLogoutToken(token: string): Provider[]
  /** The provider of an app token's `sub`, and what it calls the person. */
  findByAppSub(subject: string): { provider: Provider; sub: string } | undefined
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
      return provider?.issuer === issuer ? provider : undefined
    },
    findByIssuer: (issuer) => all.filter((provider) => provider.issuer === issuer),
    findByLogoutToken(token) {
      const { iss, aud } = readUnverifiedClaims(token) ?? {}
      return all.filter(({ issuer, clientId }) => issuer === iss && [aud].flat().includes(clientId))
    },
    findByUniversalLogoutToken(token) {
      const { iss, sub } = readUnverifiedClaims(token) ?? {}
      const ofIssuer = all.filter(
        ({ universalLogoutIssuer }) => iss !== undefined && universalLogoutIssuer === iss,
      )
      const ofClient = ofIssuer.filter(({ clientId }) => clientId === sub)
      // The wrong client is told so, once its token is verified.
      return ofClient.length > 0 ? ofClient : ofIssuer.slice(0, 1)
    },
    findByAppSub(subject) {
      const provider = all.find(({ subjectPrefix }) => subject.startsWith(subjectPrefix))
      const sub = subject.slice(provider?.subjectPrefix.length)
      return provider === undefined || sub === '' ? undefined : { provider, sub }
    },
  }
}

import type { Provider } from './provider.ts'

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
  findOrigin(origin: { readonly provider: string; readonly issuer: string }): Provider | undefined
}

/** Creates the directory of providers. */
export function createProviders(all: readonly [Provider, ...Provider[]]): Providers {
  const byName = new Map(all.map((provider) => [provider.name, provider]))
  return {
    all,
    first: all[0],
    find: (name) => byName.get(name),
    findOrigin({ provider: name, issuer }) {
      const provider = byName.get(name)
      return provider?.issuer === issuer ? provider : undefined
    },
  }
}

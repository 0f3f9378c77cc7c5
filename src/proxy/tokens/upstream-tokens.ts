import type { SignAppToken } from '../../app-token/mint.ts'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config/config.ts'
import type { TokenChoice } from '../../config/proxy/proxy-route.ts'
import { toFreshSession } from '../../session/refresh/refresh-result.ts'
import { isRefreshable } from '../../session/refresh/token-freshness.ts'
import type { TokenRefresher } from '../../session/refresh/token-refresher.ts'
import type { Session } from '../../session/session.ts'
import { createExchangedTokens } from './exchanged-tokens.ts'
import { createTokenCache, type TokenTimes } from './token-cache.ts'
import {
  type AuthorizedSession,
  type ConfiguredProviders,
  toUpstreamToken,
  type UpstreamToken,
  type UpstreamTokens,
} from './upstream-token.ts'

interface UpstreamTokensOptions {
  config: { readonly appToken: Pick<Config['appToken'], 'audiences'> }
  tokenRefresher: Pick<TokenRefresher, 'ensureFresh' | 'forceRefresh'>
  providers: ConfiguredProviders
  signAppToken: SignAppToken
  clock: Clock
}

/** Creates the tokens of upstreams. */
export function createUpstreamTokens({
  config,
  tokenRefresher,
  providers,
  signAppToken,
  clock,
}: UpstreamTokensOptions): UpstreamTokens {
  const [defaultAudience] = config.appToken.audiences
  const appTokens = createTokenCache<UpstreamToken & TokenTimes>(clock)
  const exchanged = createExchangedTokens({ providers, refresh, clock })

  return {
    async get(session, choice) {
      if (choice.kind === 'none') return { session, token: undefined }
      const fresh = toFreshSession(await tokenRefresher.ensureFresh(session))
      switch (choice.kind) {
        case 'app':
          return { session: fresh, token: await toAppToken(fresh, choice) }
        case 'exchange':
          return exchanged.get(fresh, choice)
        default:
          return withProviderToken(fresh)
      }
    },

    async renew(refused, choice) {
      switch (choice.kind) {
        case 'provider':
        case 'optional': {
          const refreshed = await refresh(refused.session)
          return refreshed === undefined ? undefined : withProviderToken(refreshed)
        }
        case 'exchange':
          return exchanged.renew(refused, choice)
        default:
          return undefined
      }
    },
  }

  /** The session after a refresh, by this request or another one; undefined where there is no other token. */
  async function refresh(session: Session): Promise<Session | undefined> {
    if (!isRefreshable(session.tokens, clock.now())) return undefined
    const result = await tokenRefresher.forceRefresh(session)
    return result.outcome === 'unknown' ? undefined : toFreshSession(result)
  }

  function withProviderToken(session: Session): AuthorizedSession {
    return { session, token: toUpstreamToken(session.tokens, session, providers) }
  }

  async function toAppToken(session: Session, choice: TokenChoice): Promise<UpstreamToken> {
    return appTokens.find(session, choice) ?? appTokens.make(session, choice, () => sign(session, choice))
  }

  /** For any audience: the operator has chosen it, and the token never reaches a browser. */
  async function sign(session: Session, { audience = defaultAudience, scopes }: TokenChoice) {
    const { scope: granted } = session.tokens
    const narrowed = scopes === undefined ? granted : granted.filter((scope) => scopes.includes(scope))
    const obtainedAt = clock.now()
    const { token, lifetime } = await signAppToken(session, { audience, scopes: narrowed })
    return { token, obtainedAt, expiresAt: obtainedAt + lifetime * 1000 }
  }
}

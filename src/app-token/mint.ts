import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { ProviderConfig } from '../config/providers/provider-config.ts'
import { AppError } from '../errors.ts'
import type { Session } from '../session/session.ts'
import type { AssertKeyBinding } from './key-binding.ts'
import type { KeyRing } from './key-ring.ts'
import type { SelectTokenClaims } from './token-claims.ts'

/**
 * Narrows an app token. By default, it has the first audience of APP_TOKEN_AUDIENCE and every granted scope.
 */
export interface AppTokenRequest {
  /** One audience, or several of them for a token that all their APIs accept. */
  audience?: string | readonly string[] | undefined
  /** Space-separated (RFC 6749 3.3). */
  scope?: string | undefined
  /** JWK thumbprint of the key to which the token is to be bound (RFC 9449 6.1). */
  dpopThumbprint?: string | undefined
}

/** What a token is signed with; its holder may ask for no more than that. */
interface TokenGrant {
  audience: string | readonly string[]
  scopes: readonly string[]
  /** As in AppTokenRequest. */
  dpopThumbprint?: string | undefined
}

/** A signed app token. */
interface SignedAppToken {
  token: string
  /** Seconds. */
  lifetime: number
}

/**
 * Signs an app token for a session.
 *
 * @throws AppError `store_unavailable`
 */
export type SignAppToken = (session: Session, grant: TokenGrant) => Promise<SignedAppToken>

/** An app token, as the SPA receives it (RFC 6749 5.1). */
export interface AppToken {
  token: string
  token_type: 'Bearer' | 'DPoP'
  /** Seconds. */
  expires_in: number
}

/**
 * Mints an app token for a session.
 *
 * @throws AppError `invalid_scope`, `invalid_target`, `store_unavailable`, or as `AssertKeyBinding`
 */
export type MintAppToken = (session: Session, request?: AppTokenRequest) => Promise<AppToken>

interface SignerOptions {
  config: Pick<Config, 'publicUrl' | 'appToken'> & {
    providers: readonly Pick<ProviderConfig, 'name' | 'clientId'>[]
  }
  selectTokenClaims: SelectTokenClaims
  keyRing: KeyRing
  clock: Clock
}

/** Creates the signer of app tokens: JWTs of the profile RFC 9068, signed with the key ring's key. */
export function createAppTokenSigner({
  config,
  selectTokenClaims,
  keyRing,
  clock,
}: SignerOptions): SignAppToken {
  const { publicUrl, appToken, providers } = config
  const clientIds = new Map(providers.map(({ name, clientId }) => [name, clientId]))

  return async ({ identity, handle, absoluteExpiresAt }, { audience, scopes, dpopThumbprint }) => {
    const now = clock.now()
    // A token never outlives its session.
    const lifetime = Math.floor(Math.min(appToken.ttl, absoluteExpiresAt - now) / 1000)
    const issuedAt = Math.floor(now / 1000)
    const key = await keyRing.signingKey()
    const token = key.signJwt(appToken.typ, {
      // User claims come first, so that none of them can replace one of the claims below.
      ...selectTokenClaims(identity).claims,
      iss: publicUrl,
      sub: identity.appSub,
      aud: toAudClaim(audience),
      idp: identity.providerName,
      client_id: clientIds.get(identity.providerName),
      ...(appToken.scopeClaim === 'scp' ? { scp: scopes } : { scope: scopes.join(' ') }),
      iat: issuedAt,
      exp: issuedAt + lifetime,
      jti: randomUUID(),
      sid: handle,
      auth_time: identity.authTime,
      acr: identity.acr,
      amr: identity.amr,
      cnf: dpopThumbprint === undefined ? undefined : { jkt: dpopThumbprint },
    })
    return { token, lifetime }
  }
}

/** A single audience is a text, which every reader understands (RFC 7519 4.1.3). */
function toAudClaim(audience: string | readonly string[]): string | string[] {
  const all = [...new Set([audience].flat())]
  const [only = '', ...others] = all
  return others.length === 0 ? only : all
}

interface MinterOptions {
  config: Pick<Config, 'appToken'>
  signAppToken: SignAppToken
  assertKeyBinding: AssertKeyBinding
}

/** Creates the minter of the app tokens that browsers receive. */
export function createAppTokenMinter({
  config: { appToken },
  signAppToken,
  assertKeyBinding,
}: MinterOptions): MintAppToken {
  return async (session, { audience, scope, dpopThumbprint } = {}) => {
    assertKeyBinding(session.identity.login.browserJkt, dpopThumbprint)
    const { token, lifetime } = await signAppToken(session, {
      audience: chooseAudience(audience, appToken.audiences),
      scopes: narrowScope(session.tokens.scope, scope),
      dpopThumbprint,
    })
    return { token, token_type: dpopThumbprint === undefined ? 'Bearer' : 'DPoP', expires_in: lifetime }
  }
}

/** The requested audiences, if tokens are issued for all of them; the first one where none is requested. */
function chooseAudience(
  requested: AppTokenRequest['audience'],
  audiences: Config['appToken']['audiences'],
): string | readonly string[] {
  const chosen = requested ?? audiences[0]
  if ([chosen].flat().every((audience) => audiences.includes(audience))) return chosen
  throw new AppError('invalid_target', 'This server issues no tokens for that audience.')
}

/** The granted scopes, or those of them that are requested, never another one (RFC 6749 3.3). */
function narrowScope(granted: readonly string[], requested: string | undefined): readonly string[] {
  if (requested === undefined) return granted
  const scopes = [...new Set(requested.split(' ').filter((scope) => scope !== ''))]
  if (scopes.some((scope) => !granted.includes(scope))) {
    throw new AppError('invalid_scope', 'The scope asks for more than the provider granted at sign-in.')
  }
  return scopes
}

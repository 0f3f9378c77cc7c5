import { randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { ProviderConfig } from '../config/providers/provider-config.ts'
import { AppError } from '../errors.ts'
import type { Session } from '../session/session.ts'
import type { KeyRing } from './key-ring.ts'
import type { PickTokenClaims } from './token-claims.ts'

/** Narrows an app token; without them it has the default audience and every granted scope. */
export interface AppTokenRequest {
  audience?: string | undefined
  /** Space-separated (RFC 6749 3.3). */
  scope?: string | undefined
  /** Thumbprint of the key that the token is bound to (RFC 9449 6.1). */
  keyThumbprint?: string | undefined
}

/** An app token, as the SPA gets it (RFC 6749 5.1). */
export interface AppToken {
  token: string
  token_type: 'Bearer' | 'DPoP'
  /** Seconds. */
  expires_in: number
}

/** Mints an app token for a session. Throws AppError `invalid_scope`, `invalid_target`. */
export type MintAppToken = (session: Session, request?: AppTokenRequest) => Promise<AppToken>

interface MinterOptions {
  config: Pick<Config, 'publicUrl' | 'appToken'> & {
    providers: readonly Pick<ProviderConfig, 'name' | 'clientId'>[]
  }
  pickTokenClaims: PickTokenClaims
  keyRing: KeyRing
  clock: Clock
}

/** The granted scopes, or fewer of them, never another one (RFC 6749 3.3). */
function narrowScope(granted: readonly string[], asked: string | undefined): readonly string[] {
  if (asked === undefined) return granted
  const scopes = [...new Set(asked.split(' ').filter((scope) => scope !== ''))]
  if (scopes.some((scope) => !granted.includes(scope))) {
    throw new AppError('invalid_scope', 'The scope asks for more than the provider granted at sign-in.')
  }
  return scopes
}

/** Creates the minter of app tokens: JWTs of the profile RFC 9068, signed by the ring's key. */
export function createAppTokenMinter({
  config,
  pickTokenClaims,
  keyRing,
  clock,
}: MinterOptions): MintAppToken {
  const { publicUrl, appToken, providers } = config
  const clientIds = new Map(providers.map(({ name, clientId }) => [name, clientId]))

  function chooseAudience(asked: string | undefined): string {
    const audience = asked ?? appToken.audiences[0]
    if (appToken.audiences.includes(audience)) return audience
    throw new AppError('invalid_target', 'The audience is none of those this server issues tokens for.')
  }

  return async (session, { audience, scope, keyThumbprint } = {}) => {
    const { identity, tokens, handle, absoluteExpiresAt } = session
    const now = clock.now()
    // A token never outlives the session it speaks for.
    const lifetime = Math.floor(Math.min(appToken.ttl, absoluteExpiresAt - now) / 1000)
    const issuedAt = Math.floor(now / 1000)
    const key = await keyRing.signingKey()
    const token = await new SignJWT({
      // User claims come first: none of them can stand in for a claim that carries meaning here.
      ...pickTokenClaims(identity).claims,
      iss: publicUrl,
      sub: identity.appSub,
      aud: chooseAudience(audience),
      idp: identity.providerName,
      client_id: clientIds.get(identity.providerName),
      scope: narrowScope(tokens.scope, scope).join(' '),
      iat: issuedAt,
      exp: issuedAt + lifetime,
      jti: randomUUID(),
      sid: handle,
      auth_time: identity.authTime,
      acr: identity.acr,
      amr: identity.amr,
      cnf: keyThumbprint === undefined ? undefined : { jkt: keyThumbprint },
    })
      .setProtectedHeader({ alg: key.alg, typ: 'at+jwt', kid: key.kid })
      .sign(key.privateKey)
    return { token, token_type: keyThumbprint === undefined ? 'Bearer' : 'DPoP', expires_in: lifetime }
  }
}

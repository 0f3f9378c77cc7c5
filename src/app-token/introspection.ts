import { createLocalJWKSet, errors, type JWTPayload, jwtVerify } from 'jose'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { appTokenTypes } from '../crypto/app-token-header.ts'
import type { SessionStore } from '../session/store.ts'
import type { KeyRing } from './key-ring.ts'

/** The state of a token (RFC 7662 2.2): its claims while it is valid, and nothing else otherwise. */
export type Introspected = { active: false } | ({ active: true; token_type: 'Bearer' | 'DPoP' } & JWTPayload)

/**
 * Says whether an app token is valid right now.
 *
 * @throws AppError `store_unavailable`
 */
export type Introspect = (token: string) => Promise<Introspected>

interface IntrospectionOptions {
  config: Pick<Config, 'publicUrl'>
  keyRing: KeyRing
  store: Pick<SessionStore, 'read'>
  clock: Clock
}

/**
 * Both types, whatever APP_TOKEN_TYP says: after a change of it, tokens of the former type are valid until
 * they expire, and while replicas are replaced, some sign each type. Nothing else is signed with these keys.
 */
const acceptedTypes: ReadonlySet<unknown> = new Set(appTokenTypes)

/**
 * Creates the introspection of app tokens. A token is active if this server issued it, it has not expired,
 * and its session is alive.
 */
export function createIntrospection({ config, keyRing, store, clock }: IntrospectionOptions): Introspect {
  return async (token) => {
    const claims = await verify(token)
    if (claims === undefined || (await store.read(String(claims.sid))) === undefined) return { active: false }
    const { scp, ...others } = claims
    const scope = Array.isArray(scp) ? { scope: scp.join(' ') } : {}
    return {
      ...others,
      ...scope,
      active: true,
      token_type: claims.cnf === undefined ? 'Bearer' : 'DPoP',
    }
  }

  /** The claims of a token; undefined where it does not verify. */
  async function verify(token: string): Promise<JWTPayload | undefined> {
    const keys = createLocalJWKSet(await keyRing.publicKeys())
    const options = {
      issuer: config.publicUrl,
      requiredClaims: ['exp', 'sid'],
      currentDate: new Date(clock.now()),
    }
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keys, options)
      return acceptedTypes.has(protectedHeader.typ) ? payload : undefined
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined
      throw error
    }
  }
}

import { z } from 'zod'
import type { Sealer } from '../crypto/sealer.ts'
import { recordFormat } from './redis-scripts.ts'
import type { NewSession, Session } from './session.ts'

const sealedIdentity = z.object({
  provider: z.string(),
  issuer: z.string(),
  sub: z.string(),
  subject: z.string(),
  userId: z.string().exactOptional(),
  claims: z.record(z.string(), z.unknown()),
  authTime: z.number().exactOptional(),
  acr: z.string().exactOptional(),
  amr: z.array(z.string()).exactOptional(),
  providerSid: z.string().exactOptional(),
  nonce: z.string().exactOptional(),
  login: z.object({ fingerprint: z.string(), returnTo: z.string(), device: z.string() }),
})

const sealedTokens = z.object({
  accessToken: z.string(),
  obtainedAt: z.number(),
  accessTokenExpiresAt: z.number().exactOptional(),
  refreshToken: z.string().exactOptional(),
  idToken: z.string().exactOptional(),
  dpopKey: z.string().exactOptional(),
  scope: z.array(z.string()),
})

/** The fields of a session's hash in Redis; see `redis-scripts.ts`. */
const record = z.object({
  v: z.literal(recordFormat),
  i: z.string(),
  t: z.string(),
  n: z.coerce.number().int(),
  c: z.coerce.number(),
  l: z.coerce.number(),
  x: z.coerce.number(),
  a: z.coerce.number(),
})

/** Turns sessions into the texts that Redis holds, and back. */
export interface SessionRecords {
  /** What only this server may read, bound to the session it belongs to. */
  sealIdentity(handle: string, session: NewSession): string
  sealTokens(handle: string, session: NewSession): string
  /** The session, or undefined where the fields are not of this format, not of this session, or sealed by a stranger. */
  open(handle: string, fields: Record<string, string>): Session | undefined
}

/** Creates the records; `sealer` holds the keys for sessions at rest. */
export function createSessionRecords(sealer: Sealer): SessionRecords {
  function openWith<T>(schema: z.ZodType<T>, sealed: string, context: string): T | undefined {
    const text = sealer.open(sealed, context)
    return text === undefined ? undefined : schema.safeParse(JSON.parse(text)).data
  }

  return {
    sealIdentity: (handle, { identity }) => sealer.seal(JSON.stringify(identity), `${handle} identity`),
    sealTokens: (handle, { tokens }) => sealer.seal(JSON.stringify(tokens), `${handle} tokens`),
    open(handle, fields) {
      const { data } = record.safeParse(fields)
      if (data === undefined) return undefined
      const identity = openWith(sealedIdentity, data.i, `${handle} identity`)
      const tokens = openWith(sealedTokens, data.t, `${handle} tokens`)
      if (identity === undefined || tokens === undefined) return undefined
      return {
        identity,
        tokens,
        handle,
        createdAt: data.c,
        lastSeenAt: data.l,
        idleExpiresAt: data.x,
        absoluteExpiresAt: data.a,
        tokensVersion: data.n,
      }
    },
  }
}

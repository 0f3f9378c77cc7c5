import { z } from 'zod'
import type { Sealer } from '../../crypto/sealer.ts'
import type { NewSession, PendingRevocation, RefreshToken, Session } from '../session.ts'
import { recordFormat } from './scripts.ts'

const sealedIdentity = z.object({
  providerName: z.string(),
  issuer: z.string(),
  providerSub: z.string(),
  appSub: z.string(),
  userId: z.string().exactOptional(),
  claims: z.record(z.string(), z.unknown()),
  authTime: z.number().exactOptional(),
  acr: z.string().exactOptional(),
  amr: z.array(z.string()).exactOptional(),
  providerSid: z.string().exactOptional(),
  nonce: z.string().exactOptional(),
  login: z.object({
    fingerprint: z.string(),
    returnTo: z.string(),
    device: z.string(),
    address: z.string().exactOptional(),
    // Sessions of an older version lack it; only their logins were asked for it.
    startedAt: z.number().default(0),
  }),
})

const sealedTokens = z.object({
  accessToken: z.string(),
  obtainedAt: z.number(),
  accessTokenExpiresAt: z.number().exactOptional(),
  refreshToken: z.string().exactOptional(),
  idToken: z.string().exactOptional(),
  dpopThumbprint: z.string().exactOptional(),
  scope: z.array(z.string()),
})

const sealedInherited = z.array(
  z.object({
    providerName: z.string(),
    issuer: z.string(),
    providerSid: z.string().exactOptional(),
    refreshToken: z.string(),
  }),
)

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
  b: z.string().default(''),
})

/** The fields that an ended session may have left in its tombstone. */
const remainsRecord = z.object({
  i: z.string(),
  t: z.string(),
  n: z.coerce.number().int(),
  b: z.string().default(''),
})

/** Turns sessions into the texts that Redis holds, and back. */
export interface SessionRecords {
  /** What only this server may read, bound to the session it belongs to. */
  sealIdentity(handle: string, session: NewSession): string
  sealTokens(handle: string, session: NewSession): string
  sealInherited(handle: string, tokens: readonly RefreshToken[]): string
  /** The tokens of one text or more with spaces between; nothing where there are none. */
  openInherited(handle: string, texts: string): { inherited?: readonly RefreshToken[] }
  /** The session, or undefined where the fields are not of this format, not of this session, or sealed by a stranger. */
  open(handle: string, fields: Record<string, string>): Session | undefined
  /** What an ended session left, or undefined where nothing is left that can be opened. */
  openPendingRevocation(handle: string, fields: Record<string, string>): PendingRevocation | undefined
}

/** Creates the records; `sealer` holds the keys for sessions at rest. */
export function createSessionRecords(sealer: Sealer): SessionRecords {
  function openBoth(handle: string, { i, t }: { i: string; t: string }): NewSession | undefined {
    const identity = openWith(sealedIdentity, i, `${handle} identity`)
    const tokens = openWith(sealedTokens, t, `${handle} tokens`)
    return identity === undefined || tokens === undefined ? undefined : { identity, tokens }
  }

  function openInherited(handle: string, texts: string): { inherited?: readonly RefreshToken[] } {
    const components = texts.split(' ').filter((text) => text !== '')
    const inherited = components.flatMap(
      (text) => openWith(sealedInherited, text, `${handle} inherited`) ?? [],
    )
    return inherited.length === 0 ? {} : { inherited }
  }

  function openWith<T>(schema: z.ZodType<T>, sealed: string, context: string): T | undefined {
    const text = sealer.open(sealed, context)
    return text === undefined ? undefined : schema.safeParse(JSON.parse(text)).data
  }

  return {
    sealIdentity: (handle, { identity }) => sealer.seal(JSON.stringify(identity), `${handle} identity`),
    sealTokens: (handle, { tokens }) => sealer.seal(JSON.stringify(tokens), `${handle} tokens`),
    sealInherited: (handle, tokens) => sealer.seal(JSON.stringify(tokens), `${handle} inherited`),
    openInherited,
    open(handle, fields) {
      const { data } = record.safeParse(fields)
      const session = data === undefined ? undefined : openBoth(handle, data)
      if (data === undefined || session === undefined) return undefined
      return {
        ...session,
        handle,
        createdAt: data.c,
        lastSeenAt: data.l,
        idleExpiresAt: data.x,
        absoluteExpiresAt: data.a,
        tokensVersion: data.n,
        ...openInherited(handle, data.b),
      }
    },
    openPendingRevocation(handle, fields) {
      const { data } = remainsRecord.safeParse(fields)
      const session = data === undefined ? undefined : openBoth(handle, data)
      if (data === undefined || session === undefined) return undefined
      return { ...session, handle, version: data.n, ...openInherited(handle, data.b) }
    },
  }
}

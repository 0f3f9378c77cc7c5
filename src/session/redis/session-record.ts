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
    startedAt: z.number(),
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

/** The fields of a session's hash in Redis; `scripts.ts` describes them. */
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

/** The fields of a tombstone whose tokens still have to be revoked. */
const pendingRecord = z.object({
  i: z.string(),
  t: z.string(),
  n: z.coerce.number().int(),
  b: z.string().default(''),
})

/** Converts sessions to the sealed texts that Redis holds, and back. */
export interface SessionRecords {
  /** Seals the identity for this server alone, bound to the session. */
  sealIdentity(handle: string, session: NewSession): string
  sealTokens(handle: string, session: NewSession): string
  sealInherited(handle: string, tokens: readonly RefreshToken[]): string
  /** Opens sealed texts that are separated by spaces; undefined if none of them contains a token. */
  openInherited(handle: string, texts: string): readonly RefreshToken[] | undefined
  /**
   * Opens a session; undefined if the fields have another format, belong to another session, or were not
   * sealed by this server.
   */
  open(handle: string, fields: Record<string, string>): Session | undefined
  /** Opens the tokens in a tombstone; undefined if there are none that this server can open. */
  openPendingRevocation(handle: string, fields: Record<string, string>): PendingRevocation | undefined
}

/** Creates the conversion; `sealer` encrypts sessions at rest. */
export function createSessionRecords(sealer: Sealer): SessionRecords {
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
        inherited: openInherited(handle, data.b),
      }
    },
    openPendingRevocation(handle, fields) {
      const { data } = pendingRecord.safeParse(fields)
      const session = data === undefined ? undefined : openBoth(handle, data)
      if (data === undefined || session === undefined) return undefined
      return { ...session, handle, version: data.n, inherited: openInherited(handle, data.b) }
    },
  }

  function openBoth(handle: string, { i, t }: { i: string; t: string }): NewSession | undefined {
    const identity = openWith(sealedIdentity, i, `${handle} identity`)
    const tokens = openWith(sealedTokens, t, `${handle} tokens`)
    return identity === undefined || tokens === undefined ? undefined : { identity, tokens }
  }

  function openInherited(handle: string, texts: string): readonly RefreshToken[] | undefined {
    const sealed = texts.split(' ').filter((text) => text !== '')
    const tokens = sealed.flatMap((text) => openWith(sealedInherited, text, `${handle} inherited`) ?? [])
    return tokens.length === 0 ? undefined : tokens
  }

  function openWith<T>(schema: z.ZodType<T>, sealed: string, context: string): T | undefined {
    const text = sealer.open(sealed, context)
    return text === undefined ? undefined : schema.safeParse(JSON.parse(text)).data
  }
}

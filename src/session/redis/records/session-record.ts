import { z } from 'zod'
import type { Sealer } from '../../../crypto/sealer.ts'
import type { ProviderTokens } from '../../../provider/types.ts'
import type { Identity, NewSession, PendingRevocation, RefreshToken, Session } from '../../session.ts'
import { recordFormat } from '../scripts/session-scripts.ts'
import { createOpenedSessions } from './opened-sessions.ts'
import { packTokens, unpackTokens } from './packed-tokens.ts'

/** The fields of a session's hash that are read, in this order; `session-scripts.ts` describes them. */
export const recordFields = ['v', 'x', 'n', 'i', 'b']

/** The values of `recordFields`; null where one is absent. */
export type RecordFields = readonly (Buffer | null | undefined)[]

/** The times of a session; milliseconds since the epoch. */
export type SessionTimes = Pick<Session, 'createdAt' | 'lastSeenAt' | 'idleExpiresAt' | 'absoluteExpiresAt'>

const sealedInherited = z.array(
  z.object({
    providerName: z.string(),
    issuer: z.string(),
    providerSid: z.string().exactOptional(),
    refreshToken: z.string(),
  }),
)

/** Converts sessions to the sealed values that Redis holds, and back. */
export interface SessionRecords {
  /** Seals identity and tokens for this server alone, bound to the session. */
  seal(handle: string, session: NewSession): Buffer
  sealInherited(handle: string, tokens: readonly RefreshToken[]): string
  /** Opens sealed texts that are separated by spaces; undefined if none of them contains a token. */
  openInherited(handle: string, texts: string): readonly RefreshToken[] | undefined
  /**
   * Opens a session; undefined if the fields have another format, belong to another session, or were not
   * sealed by this server. Access and ID token are unpacked once they are read: few requests need them.
   */
  open(handle: string, fields: RecordFields): Session | undefined
  /** Opens the tokens in a tombstone; undefined if there are none that this server can open. */
  openPendingRevocation(
    handle: string,
    fields: { sealed: Buffer; version: number; inherited: string },
  ): PendingRevocation | undefined
}

/** Creates the conversion; `sealer` encrypts sessions at rest. */
export function createSessionRecords(sealer: Sealer): SessionRecords {
  const opened = createOpenedSessions()

  return {
    seal(handle, { identity, tokens }) {
      const row = Buffer.from(JSON.stringify(toRow(identity, tokens)))
      const rowLength = Buffer.alloc(rowLengthSize)
      rowLength.writeUInt32BE(row.length)
      const packed = packTokens([tokens.accessToken, tokens.idToken], row)
      return sealer.sealBytes(Buffer.concat([rowLength, row, packed]), toContext(handle))
    },
    sealInherited: (handle, tokens) => sealer.seal(JSON.stringify(tokens), `${handle} inherited`),
    openInherited,
    open(handle, [format, timesField, version, sealed, inherited]) {
      const times = toTimes(String(timesField))
      if (String(format) !== recordFormat || times === undefined || !version || !sealed) return undefined
      // Redis has the last word: only what it has now, byte for byte, is not opened again.
      const session = opened.find(handle, sealed) ?? opened.keep(handle, sealed, openSealed(handle, sealed))
      if (session === undefined) return undefined
      return {
        ...session,
        handle,
        ...times,
        tokensVersion: Number(version),
        inherited: inherited ? openInherited(handle, String(inherited)) : undefined,
      }
    },
    openPendingRevocation(handle, { sealed, version, inherited }) {
      const ended = openSealed(handle, sealed)
      return ended && { ...ended, handle, version, inherited: openInherited(handle, inherited) }
    },
  }

  /**
   * What opens needs no further check: this server sealed it, for this session, and in this format, because
   * the seal is bound to all three (AES-GCM's associated data).
   */
  function openSealed(handle: string, sealed: Buffer): NewSession | undefined {
    const bytes = sealer.openBytes(sealed, toContext(handle))
    if (bytes === undefined) return undefined
    const rowEnd = rowLengthSize + bytes.readUInt32BE(0)
    const row = bytes.subarray(rowLengthSize, rowEnd)
    return fromRow(JSON.parse(row.toString()) as Row, () => unpackTokens(bytes.subarray(rowEnd), row))
  }

  function openInherited(handle: string, texts: string): readonly RefreshToken[] | undefined {
    const sealed = texts.split(' ').filter((text) => text !== '')
    const tokens = sealed.flatMap((text) => {
      const opened = sealer.open(text, `${handle} inherited`)
      return (opened === undefined ? undefined : sealedInherited.safeParse(JSON.parse(opened)).data) ?? []
    })
    return tokens.length === 0 ? undefined : tokens
  }
}

/** Writes the field `x` of a record. */
export const toTimesField = ({ idleExpiresAt, lastSeenAt, createdAt, absoluteExpiresAt }: SessionTimes) =>
  [idleExpiresAt, lastSeenAt, createdAt, absoluteExpiresAt].join(' ')

/** Reads the field `x`; undefined if it is not what `toTimesField` or the scripts write. */
export function toTimes(field: string): SessionTimes | undefined {
  const [idleExpiresAt = 0, lastSeenAt = 0, createdAt = 0, absoluteExpiresAt = 0, ...rest] = field
    .split(' ')
    .map(Number)
  const isWhole = absoluteExpiresAt > 0 && rest.length === 0
  return isWhole && idleExpiresAt > 0
    ? { idleExpiresAt, lastSeenAt, createdAt, absoluteExpiresAt }
    : undefined
}

/**
 * What a seal is bound to. A change of the row below needs another `recordFormat`; a value at its end does
 * not, because it is absent in the rows that were sealed before.
 */
const toContext = (handle: string) => `${handle} session ${recordFormat}`

/** Bytes of the row's length before it. */
const rowLengthSize = 4

/**
 * All that a check of the session needs, without names, which would take a third of it. An absent value is
 * null.
 */
type Row = ReturnType<typeof toRow>

const toRow = (identity: Identity, tokens: ProviderTokens) =>
  [
    identity.providerName,
    identity.issuer,
    identity.providerSub,
    // Mostly the same.
    identity.appSub === identity.providerSub ? null : identity.appSub,
    identity.userId,
    identity.claims,
    identity.authTime,
    identity.acr,
    identity.amr,
    identity.providerSid,
    identity.nonce,
    identity.login.fingerprint,
    identity.login.returnTo,
    identity.login.device,
    identity.login.address,
    identity.login.startedAt,
    tokens.obtainedAt,
    tokens.accessTokenExpiresAt,
    tokens.refreshToken,
    tokens.dpopThumbprint,
    tokens.scope,
    identity.login.browserJkt,
  ] as const

function fromRow(row: Row, unpack: () => (string | undefined)[]): NewSession {
  let unpacked: (string | undefined)[] | undefined
  const long = (position: number) => {
    unpacked ??= unpack()
    return unpacked[position]
  }
  return {
    identity: {
      providerName: row[0],
      issuer: row[1],
      providerSub: row[2],
      appSub: row[3] ?? row[2],
      userId: row[4] ?? undefined,
      claims: row[5],
      authTime: row[6] ?? undefined,
      acr: row[7] ?? undefined,
      amr: row[8] ?? undefined,
      providerSid: row[9] ?? undefined,
      nonce: row[10] ?? undefined,
      login: {
        fingerprint: row[11],
        returnTo: row[12],
        device: row[13],
        address: row[14] ?? undefined,
        startedAt: row[15],
        browserJkt: row[21] ?? undefined,
      },
    },
    tokens: {
      obtainedAt: row[16],
      accessTokenExpiresAt: row[17] ?? undefined,
      refreshToken: row[18] ?? undefined,
      dpopThumbprint: row[19] ?? undefined,
      scope: row[20],
      get accessToken() {
        return long(0) ?? ''
      },
      get idToken() {
        return long(1)
      },
    },
  }
}

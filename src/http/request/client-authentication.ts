import { createHash, timingSafeEqual } from 'node:crypto'
import type { Request } from 'express'
import { z } from 'zod'
import type { IntrospectionClients } from '../../config/values/caller-secrets.ts'
import { AppError } from '../../errors.ts'
import { readParameters } from './parameters.ts'

/** How programs prove who they are: by a token or a secret in the request, never by a cookie. */

/** The token of the Authorization header (RFC 6750 2.1); undefined where there is none. */
export function readBearerToken(req: Request): string | undefined {
  return /^Bearer +([\w.~+/-]+=*)$/i.exec(req.get('authorization') ?? '')?.[1]
}

/** Whether the request has this secret as its bearer token. */
export const hasBearerSecret = (req: Request, secret: string): boolean =>
  matches(readBearerToken(req) ?? '', toHash(secret))

/**
 * Authenticates a resource server, by HTTP Basic or by credentials in the form (RFC 6749 2.3.1); returns its
 * client id.
 *
 * @throws AppError `invalid_client`
 */
export function authenticateClient(req: Request, clients: IntrospectionClients): string {
  const body = readParameters(clientCredentials, req.body)
  const { id, secret } = readBasic(req) ?? { id: body.client_id ?? '', secret: body.client_secret ?? '' }
  // An unknown client takes as long as a wrong secret, so that the time does not show which clients exist.
  if (matches(secret, clients.get(id) ?? hashOfNoSecret)) return id
  throw new AppError(
    'invalid_client',
    'The client is not in INTROSPECTION_CLIENTS, or its secret is wrong.',
    {
      headers: { 'WWW-Authenticate': 'Basic realm="introspection", charset="UTF-8"' },
    },
  )
}

/** Credentials of a client in a form. */
export const clientCredentials = z.object({
  client_id: z.string().max(100).optional(),
  client_secret: z.string().max(500).optional(),
})

/** HTTP Basic with both parts form-encoded, as OAuth defines it (RFC 6749 2.3.1). */
function readBasic(req: Request): { id: string; secret: string } | undefined {
  const [, credentials] = /^Basic +([\w+/-]+=*)$/i.exec(req.get('authorization') ?? '') ?? []
  if (credentials === undefined) return undefined
  const [, id, secret] = /^([^:]*):(.*)$/s.exec(Buffer.from(credentials, 'base64').toString()) ?? []
  if (id === undefined || secret === undefined) return undefined
  const decode = (text: string) => new URLSearchParams(`_=${text}`).get('_') ?? ''
  return { id: decode(id), secret: decode(secret) }
}

const toHash = (text: string) => createHash('sha256').update(text).digest()

/** Whether a secret has this hash, compared in constant time. */
const matches = (secret: string, hash: Uint8Array) => timingSafeEqual(toHash(secret), hash)

/** All zeros: no known text has this SHA-256. */
const hashOfNoSecret = new Uint8Array(32)

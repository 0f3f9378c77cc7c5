import { createHash, timingSafeEqual } from 'node:crypto'
import type { Request } from 'express'
import { z } from 'zod'
import type { IntrospectionClients } from '../../config/values/caller-secrets.ts'
import { AppError } from '../../errors.ts'
import { readInput } from './parameters.ts'

/** Programs that call this server: who they are is in the request, never in a cookie. */

/** The token of an Authorization header (RFC 6750 2.1). */
export function readBearer(req: Request): string | undefined {
  return /^Bearer +([\w.~+/-]+=*)$/i.exec(req.get('authorization') ?? '')?.[1]
}

const toHash = (text: string) => createHash('sha256').update(text).digest()

/** Whether a secret is the one of this hash, in the same time whatever it is. */
const isSecretOf = (secret: string, hash: Uint8Array) => timingSafeEqual(toHash(secret), hash)

/** Whether the caller brings this secret as a bearer token. */
export const hasBearerSecret = (req: Request, secret: string): boolean =>
  isSecretOf(readBearer(req) ?? '', toHash(secret))

const bodyCredentials = z.object({
  client_id: z.string().max(100).optional(),
  client_secret: z.string().max(500).optional(),
})

/** HTTP Basic as OAuth has it: both parts are form-encoded (RFC 6749 2.3.1). */
function readBasic(req: Request): { id: string; secret: string } | undefined {
  const [, credentials] = /^Basic +([\w+/-]+=*)$/i.exec(req.get('authorization') ?? '') ?? []
  if (credentials === undefined) return undefined
  const [, id, secret] = /^([^:]*):(.*)$/s.exec(Buffer.from(credentials, 'base64').toString()) ?? []
  if (id === undefined || secret === undefined) return undefined
  const decode = (text: string) => new URLSearchParams(`_=${text}`).get('_') ?? ''
  return { id: decode(id), secret: decode(secret) }
}

/** A hash that no secret has. */
const nobody = new Uint8Array(32)

/**
 * The resource server that calls, by HTTP Basic or by its credentials in the form (RFC 6749 2.3.1).
 *
 * @throws AppError `invalid_client`
 */
export function readResourceServer(req: Request, clients: IntrospectionClients): string {
  const body = readInput(bodyCredentials, req.body)
  const { id, secret } = readBasic(req) ?? { id: body.client_id ?? '', secret: body.client_secret ?? '' }
  if (isSecretOf(secret, clients.get(id) ?? nobody)) return id
  throw new AppError('invalid_client', 'INTROSPECTION_CLIENTS has no such client with this secret.', {
    headers: { 'WWW-Authenticate': 'Basic realm="introspection", charset="UTF-8"' },
  })
}

import { randomUUID } from 'node:crypto'
import { type JWTPayload, SignJWT } from 'jose'
import * as client from 'openid-client'
import type { Clock } from '../../clock.ts'
import type { AssertionAudience, ClientAuth, ProviderConfig } from '../../config/providers/provider-config.ts'
import type { PrivateJwk } from '../../config/values/private-jwk-set.ts'
import { importSigningKey } from './signing-key.ts'

/** The client secret, which must never be printed; empty where the method sends none. */
export const toClientSecret = (auth: ClientAuth): string => ('secret' in auth ? auth.secret : '')

/** Creates the client authentication for openid-client's calls (RFC 6749 2.3, RFC 7523, RFC 8705). */
export function createClientAuth(
  { clientId, clientAuth: auth }: Pick<ProviderConfig, 'clientId' | 'clientAuth'>,
  clock: Clock,
): client.ClientAuth {
  switch (auth.method) {
    case 'none':
      return client.None()
    case 'client_secret_basic':
      return createBasicAuth(clientId, auth.secret)
    case 'client_secret_post':
      return client.ClientSecretPost(auth.secret)
    case 'private_key_jwt':
      return createAssertionAuth(auth, clock)
    case 'tls_client_auth':
      return client.TlsClientAuth()
    case 'apple_client_secret':
      return createAppleAuth(auth, clock)
  }
}

/**
 * HTTP Basic (RFC 6749 2.3.1). openid-client's own escapes "-" and "_" as well, which form encoding does not
 * do and which servers that do not decode refuse.
 */
function createBasicAuth(clientId: string, secret: string): client.ClientAuth {
  const encode = (text: string) => new URLSearchParams([['', text]]).toString().slice(1)
  const credentials = Buffer.from(`${encode(clientId)}:${encode(secret)}`).toString('base64')
  return (_server, _client, _body, headers) => headers.set('authorization', `Basic ${credentials}`)
}

/** Seconds for which what the client signs is valid: each is made for one call. */
const assertionLifetime = 60

/**
 * private_key_jwt (OpenID Connect Core 9): the first key signs. openid-client's own always names the issuer
 * as audience, but Okta requires the called endpoint, and Ory Hydra the token endpoint for every call.
 */
function createAssertionAuth(
  { keys, audience }: Extract<ClientAuth, { method: 'private_key_jwt' }>,
  clock: Clock,
): client.ClientAuth {
  const [jwk] = keys
  if (jwk === undefined) throw new TypeError('private_key_jwt needs a key')
  const sign = createSigner(jwk, clock)

  return async (server, { client_id: id }, body) => {
    const aud = toAudience(audience, server, body)
    const assertion = await sign({ iss: id, sub: id, aud, jti: randomUUID() })
    body.set('client_id', id)
    body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    body.set('client_assertion', assertion)
  }
}

/** The audience of client secrets, whatever issuer the discovery document names. */
const apple = 'https://appleid.apple.com'

/**
 * Sign in with Apple: the client secret is a JWT that the team signs, valid for six months at most. With
 * one for each call, there is none to renew.
 */
function createAppleAuth(
  { key, teamId }: Extract<ClientAuth, { method: 'apple_client_secret' }>,
  clock: Clock,
): client.ClientAuth {
  const sign = createSigner(key, clock)
  return async (_server, { client_id: id }, body) => {
    body.set('client_id', id)
    body.set('client_secret', await sign({ iss: teamId, sub: id, aud: apple }))
  }
}

/** Creates the function that signs claims by a key, with the time of signing. */
function createSigner(jwk: PrivateJwk, clock: Clock): (claims: JWTPayload) => Promise<string> {
  const { header, privateKey } = importSigningKey(jwk)
  return async (claims) => {
    const now = Math.floor(clock.now() / 1000)
    return new SignJWT({ ...claims, iat: now, exp: now + assertionLifetime })
      .setProtectedHeader(header)
      .sign(await privateKey)
  }
}

function toAudience(
  audience: AssertionAudience,
  server: client.ServerMetadata,
  body: URLSearchParams,
): string {
  switch (audience) {
    case 'issuer':
      return server.issuer
    case 'endpoint':
      return toEndpoint(server, body)
    case 'token_endpoint':
      return server.token_endpoint ?? ''
  }
}

/** The endpoint that a body is sent to: only a grant has a grant_type, only a revocation a token. */
function toEndpoint(server: client.ServerMetadata, body: URLSearchParams): string {
  if (body.has('grant_type')) return server.token_endpoint ?? ''
  const endpoint = body.has('token')
    ? server.revocation_endpoint
    : server.pushed_authorization_request_endpoint
  return endpoint ?? ''
}

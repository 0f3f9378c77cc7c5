import { createHash, randomUUID } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose'

/** A key the browser holds, and the proofs it makes (RFC 9449 4.2). */
export async function createDpopKey(alg = 'ES256') {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = await exportJWK(publicKey)
  return {
    privateJwk: await exportJWK(privateKey),
    thumbprint: await calculateJwkThumbprint(jwk),
    prove(
      { method = 'POST', url, accessToken }: { method?: string; url: string; accessToken?: string },
      {
        claims = {},
        header = {},
      }: { claims?: Record<string, unknown>; header?: Record<string, unknown> } = {},
    ): Promise<string> {
      const ath =
        accessToken === undefined ? undefined : createHash('sha256').update(accessToken).digest('base64url')
      const iat = Math.floor(Date.now() / 1000)
      return new SignJWT({ htm: method, htu: url, ath, iat, jti: randomUUID(), ...claims })
        .setProtectedHeader({ typ: 'dpop+jwt', alg, jwk, ...header })
        .sign(privateKey)
    },
  }
}

export type DpopKey = Awaited<ReturnType<typeof createDpopKey>>

import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { KoaContextWithOIDC } from 'oidc-provider'
import { createDemoProvider, type DemoProviderOptions } from '../../../demo/provider/provider.ts'
import type { TestCertificate } from '../network/certificate.ts'

/** The options that `startProviderVariant` passes on. */
export interface ProviderVariantOptions extends Omit<DemoProviderOptions, 'origin' | 'more'> {
  /** Speak TLS with this certificate, and ask clients for theirs, which must be `client`. */
  tls?: { server: TestCertificate; client: TestCertificate }
  /** Print the path of each request, and the address that it came from. */
  printsCallers?: boolean
}

/**
 * Runs a variant of the demo's provider in a process of its own. Reads its options from the environment, and
 * prints its origin once it listens.
 */
const {
  tls,
  printsCallers = false,
  ...options
} = JSON.parse(process.env.OPTIONS ?? '{}') as ProviderVariantOptions

const socketOf = (ctx: KoaContextWithOIDC) => ctx.req.socket as TLSSocket

const mutualTls = {
  enabled: true,
  tlsClientAuth: true,
  certificateBoundAccessTokens: true,
  getCertificate: (ctx: KoaContextWithOIDC) => socketOf(ctx).getPeerX509Certificate()?.toString(),
  certificateAuthorized: (ctx: KoaContextWithOIDC) => socketOf(ctx).authorized,
  certificateSubjectMatches: (ctx: KoaContextWithOIDC, _property: string, expected: string) =>
    socketOf(ctx).getPeerX509Certificate()?.subject === expected,
}

const server =
  tls === undefined
    ? createHttpServer()
    : createHttpsServer({
        key: tls.server.key,
        cert: tls.server.certificate,
        ca: tls.client.certificate,
        requestCert: true,
        rejectUnauthorized: false,
      })
server.listen(0, '127.0.0.1', async () => {
  const { port } = server.address() as AddressInfo
  const origin = tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`
  const { app } = await createDemoProvider({
    ...options,
    origin,
    more: {
      // Portico's clock is ahead of this one while a test lets tokens expire.
      clockTolerance: 60,
      ...(tls === undefined
        ? {}
        : { clientAuthMethods: ['none', 'tls_client_auth'], features: { mTLS: mutualTls } }),
    },
  })
  if (printsCallers) {
    server.on('request', ({ url, socket }) => process.stdout.write(`${socket.remoteAddress} ${url}\n`))
  }
  server.on('request', app)
  process.stdout.write(`${origin}\n`)
})

import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A server on a free loopback port; its handler can be set later, when the port is known. */
export interface TestServer {
  origin: string
  server: Server
  serve(listener: RequestListener): void
  close(): Promise<void>
}

export async function startTestServer(port = 0): Promise<TestServer> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    serve: (listener) => void server.on('request', listener),
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

/** Returns a port on which nothing listens right now. */
export async function freePort(): Promise<number> {
  const server = await startTestServer()
  await server.close()
  return Number(new URL(server.origin).port)
}

import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A minimal round-robin HTTP balancer, which skips replicas that accept no connection. */
export interface Balancer {
  url: string
  close(): Promise<void>
}

export async function startBalancer(ports: () => readonly number[]): Promise<Balancer> {
  let turn = 0
  // Connections stay open: a call on one that is closed at this moment would fail for no reason of the servers.
  const server = createServer({ keepAliveTimeout: 0 }, (req, res) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => forward(ports().length))

    const forward = (left: number): void => {
      const all = ports()
      turn += 1
      const port = all[turn % all.length] ?? 0
      const { method, url: path, headers } = req
      const upstream = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (answer) => {
        res.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
        answer.pipe(res)
        answer.on('error', () => res.destroy())
      })
      upstream.on('error', (error: NodeJS.ErrnoException) => {
        // Nothing was sent yet, so another replica can take the request.
        if (error.code === 'ECONNREFUSED' && left > 1) forward(left - 1)
        else res.destroy()
      })
      upstream.end(Buffer.concat(chunks))
    }
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections()
      return new Promise((done) => server.close(() => done()))
    },
  }
}

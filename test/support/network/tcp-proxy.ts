import type { AddressInfo } from 'node:net'
import { createConnection, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** A TCP proxy on a free port that a test can slow down, silence or cut off. */
export interface TcpProxy {
  port: number
  /** Refuses and resets connections, until `mend`. */
  cut(): void
  /** Drops all bytes in both directions until `mend`, as a network does that loses its packets. */
  swallow(): void
  /** Delays each piece of data by these milliseconds, in each direction. */
  slow(milliseconds: number): void
  mend(): void
  /** Sends new connections to this port from now on; existing ones stay. */
  leadTo(port: number): void
  close(): Promise<void>
}

export async function startTcpProxy(firstPort: number): Promise<TcpProxy> {
  let mode: 'through' | 'cut' | 'swallow' = 'through'
  let latency = 0
  let targetPort = firstPort
  const sockets = new Set<Socket>()

  const pipe = (from: Socket, to: Socket) => {
    let last = Promise.resolve()
    let pending = 0
    from.on('data', (chunk) => {
      if (mode === 'swallow') return
      // Data is passed on at once after `mend`, but never before data that is still delayed.
      if (latency === 0 && pending === 0) return void to.write(chunk)
      pending += 1
      const due = delay(latency)
      last = last
        .then(() => due)
        .then(() => {
          pending -= 1
          to.write(chunk)
        })
    })
    from.on('error', () => {})
    from.on('close', () => to.destroy())
  }

  const server = createServer((client) => {
    if (mode === 'cut') return void client.resetAndDestroy()
    const upstream = createConnection(targetPort, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    }
    pipe(client, upstream)
    pipe(upstream, client)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const dropAll = () => {
    for (const socket of sockets) socket.resetAndDestroy()
  }

  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      mode = 'cut'
      dropAll()
    },
    swallow() {
      mode = 'swallow'
    },
    slow(milliseconds) {
      latency = milliseconds
    },
    leadTo(port) {
      targetPort = port
    },
    mend() {
      mode = 'through'
      latency = 0
    },
    close() {
      dropAll()
      return new Promise((done) => server.close(() => done()))
    },
  }
}

import { type AddressInfo, createServer, type Socket } from 'node:net'

/** A request as it arrived, byte for byte. */
export interface RawRequest {
  /** The request line. */
  line: string
  /** The header lines, in their order. */
  headers: string[]
  body: string
  socket: Socket
}

/** An upstream that shows every byte it receives, and sends any bytes. */
export interface RawUpstream {
  origin: string
  requests: RawRequest[]
  /** How the next requests are answered: with these bytes, or by writing to the socket. */
  answer: string | ((request: RawRequest) => void)
  /** Open connections. */
  sockets: Set<Socket>
  close(): Promise<void>
}

/** A complete response with a body. */
export function toResponse(status: string, headers: string[] = [], body = ''): string {
  return [`HTTP/1.1 ${status}`, ...headers, `Content-Length: ${Buffer.byteLength(body)}`, '', body].join(
    '\r\n',
  )
}

/** Starts an upstream that reads plain HTTP/1.1: a body of a known length, or none. */
export async function startRawUpstream(): Promise<RawUpstream> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
      for (let end = received.indexOf('\r\n\r\n'); end !== -1; end = received.indexOf('\r\n\r\n')) {
        const [line = '', ...headers] = received.slice(0, end).split('\r\n')
        const length = Number(/\r\ncontent-length: (\d+)/i.exec(received.slice(0, end))?.[1] ?? 0)
        if (received.length < end + 4 + length) return
        const request = { line, headers, body: received.slice(end + 4, end + 4 + length), socket }
        received = received.slice(end + 4 + length)
        upstream.requests.push(request)
        if (typeof upstream.answer === 'string') socket.write(upstream.answer, 'latin1')
        else upstream.answer(request)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const upstream: RawUpstream = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    answer: toResponse('200 OK', ['Content-Type: application/json'], '{"ok":true}'),
    sockets,
    close() {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  return upstream
}

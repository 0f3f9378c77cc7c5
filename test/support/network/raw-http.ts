import { connect, type Socket } from 'node:net'

/** Sends bytes; returns everything that comes back until the server closes the connection. */
export function sendRaw(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes, 'latin1'))
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk.toString()
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
  })
}

/** Parses a raw answer: its status, its headers by lower-case name, its body. */
export function parseRaw(answer: string): { status: number; headers: Map<string, string>; body: string } {
  const [head = '', ...rest] = answer.split('\r\n\r\n')
  const [statusLine = '', ...lines] = head.split('\r\n')
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
  })
  return { status: Number(statusLine.split(' ')[1]), headers: new Map(headers), body: rest.join('\r\n\r\n') }
}

/** A connection that a test holds. */
export interface OpenConnection {
  socket: Socket
  /** Everything that has come so far. */
  text(): string
  /** Resolves once it is closed. */
  closed: Promise<void>
}

/** Opens a connection with a GET of these header lines, and what comes right after it. */
export function openConnection(url: string, path: string, lines: string[], more = ''): OpenConnection {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write(`${[`GET ${path} HTTP/1.1`, 'Host: app.example.com', ...lines].join('\r\n')}\r\n\r\n${more}`)
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
  })
  socket.on('error', () => {})
  return { socket, text: () => text, closed: new Promise((done) => socket.once('close', () => done())) }
}

/** Header lines of a WebSocket handshake (RFC 6455 4.1). */
export const handshake = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]

import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline, Readable, Writable } from 'node:stream'
import { decodeJwt } from 'jose'
import { machineTime } from '../latencies.ts'

/**
 * Runs an API in a process of its own, which records the calls that reach it, with their tokens. Prints its
 * origin once it listens. Orders of the parent come as `POST /control`.
 */

/** What the parent can order; each order is answered with the state. */
export interface UpstreamOrder {
  /** Answers 401 to these tokens from now on. */
  refuse?: string[]
  /** Sends this text on every open event stream. */
  event?: string
  /** Leaves the bodies of requests unread, until this is false again. */
  leaveUnread?: boolean
  /** Forgets the calls so far. */
  forget?: true
}

/** A call that reached the API. */
export interface UpstreamCall {
  path: string
  token: string
  status: number
  /** When its connection was lost before the response was complete, by `machineTime`. */
  lostAt?: number
}

export interface UpstreamState {
  calls: UpstreamCall[]
  /** Bytes of bodies that were sent. */
  sent: number
}

const streams = new Set<ServerResponse>()
const refused = new Set<string>()
let calls: UpstreamCall[] = []
let sent = 0
/** Starts to read each body that was left unread; undefined where all are read at once. */
let unread: (() => void)[] | undefined

function record({ url = '', headers, socket }: IncomingMessage, res?: ServerResponse): UpstreamCall {
  const token = headers.authorization?.slice('Bearer '.length) ?? ''
  const call: UpstreamCall = { path: url, token, status: refused.has(token) ? 401 : 200 }
  calls.push(call)
  socket.setNoDelay(true)
  res?.once('close', () => {
    if (!res.writableFinished) call.lostAt = machineTime()
  })
  return call
}

/** A response of so many bytes, made as fast as they are taken. */
function* bytes(length: number): Generator<Buffer> {
  const chunk = Buffer.alloc(65_536, 'x')
  for (let left = length; left > 0; left -= chunk.length) {
    const next = chunk.subarray(0, left)
    sent += next.length
    yield next
  }
}

function countBytes(req: IncomingMessage, res: ServerResponse): void {
  let received = 0
  const count = new Writable({
    write(chunk: Buffer, _encoding, done) {
      received += chunk.length
      done()
    },
  })
  pipeline(req, count, (error) => {
    if (error == null) res.end(JSON.stringify({ received }))
  })
}

const answers: Record<string, (req: IncomingMessage, res: ServerResponse, url: URL) => void> = {
  /** Who calls; it may be kept by every cache, as careless APIs say. */
  me: (req, res) => {
    const { sub } = decodeJwt(req.headers.authorization?.slice('Bearer '.length) ?? '')
    res.setHeader('Cache-Control', 'public, max-age=600')
    res.end(JSON.stringify({ sub }))
  },
  /** Takes a moment, and comes in pieces, `pause` milliseconds apart. */
  slow: (_req, res, { searchParams }) => {
    let pieces = 0
    const timer = setInterval(
      () => {
        pieces += 1
        if (pieces < 5) return void res.write('piece\n')
        clearInterval(timer)
        res.end('end\n')
      },
      Number(searchParams.get('pause') ?? 60),
    )
  },
  /** Never comes. */
  hold: () => {},
  events: (_req, res) => {
    res.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders()
    streams.add(res)
    res.once('close', () => streams.delete(res))
  },
  body: (req, res, { searchParams }) => {
    if (req.method !== 'GET') {
      const read = () => countBytes(req, res)
      if (unread === undefined) read()
      else unread.push(read)
      return
    }
    const length = Number(searchParams.get('length'))
    res.setHeader('Content-Length', length)
    pipeline(Readable.from(bytes(length)), res, () => {})
  },
}

function obey({ refuse = [], event, leaveUnread, forget }: UpstreamOrder): void {
  for (const token of refuse) refused.add(token)
  if (event !== undefined) for (const stream of streams) stream.write(`data: ${event}\n\n`)
  if (leaveUnread === true) unread ??= []
  if (leaveUnread === false) {
    for (const read of unread ?? []) read()
    unread = undefined
  }
  if (forget) {
    calls = []
    sent = 0
  }
}

async function control(req: IncomingMessage, res: ServerResponse): Promise<void> {
  obey(JSON.parse(Buffer.concat(await req.toArray()).toString()) as UpstreamOrder)
  const state: UpstreamState = { calls, sent }
  res.setHeader('Connection', 'close').end(JSON.stringify(state))
}

const server = createServer({ highWaterMark: 65_536 }, (req, res) => {
  const url = new URL(req.url ?? '', 'http://upstream')
  const [, name = ''] = url.pathname.split('/')
  if (name === 'control') return void control(req, res)
  const { status } = record(req, res)
  if (status === 401) {
    res.writeHead(401, { 'WWW-Authenticate': 'Bearer error="invalid_token"' }).end()
  } else {
    const answer = answers[name]
    if (answer === undefined) res.end('{"ok":true}')
    else answer(req, res, url)
  }
})
/** Accepts each WebSocket connection, and returns what comes. */
server.on('upgrade', (req, socket) => {
  record(req)
  const key = `${req.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
  const accept = createHash('sha1').update(key).digest('base64')
  const head = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade']
  socket.write([...head, `Sec-WebSocket-Accept: ${accept}`, '', ''].join('\r\n'))
  socket.on('error', () => {})
  socket.pipe(socket)
})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`)
})

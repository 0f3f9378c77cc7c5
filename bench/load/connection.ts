import { connect, type Socket } from 'node:net'

/** A response, as far as the bench reads it. */
export interface Answer {
  status: number
  /** Status line and header lines. */
  head: string
  body: string
}

/**
 * One kept-alive connection that sends one request at a time. It parses as little as it can: a load
 * generator that costs more than the server would measure itself.
 */
export interface Connection {
  send(request: string): Promise<Answer>
}

/**
 * Milliseconds without a request after which a new connection is opened: servers close idle ones, Node's
 * after five seconds, and a request that meets that moment would fail.
 */
const longestPause = 2_000

/** Creates a connection to a port of this machine; it opens with the first request. */
export function createConnection(port: number): Connection {
  let socket: Socket | undefined
  let usedAt = 0
  let received = ''
  let pending: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined

  return {
    async send(request) {
      const now = performance.now()
      if (socket?.readyState !== 'open' || now - usedAt > longestPause) {
        socket?.destroy()
        socket = await openSocket(port)
        listen(socket)
      }
      usedAt = now
      const { promise, resolve, reject } = Promise.withResolvers<Answer>()
      pending = { resolve, reject }
      socket.write(request, 'latin1')
      return promise
    },
  }

  function listen(opened: Socket): void {
    received = ''
    opened.setEncoding('latin1')
    opened.on('data', (chunk: string) => {
      received = received === '' ? chunk : received + chunk
      const answer = readAnswer(received)
      if (answer === undefined) return
      received = ''
      // Some servers close a connection after a number of requests, and say so.
      if (readHeader(answer.head, 'connection') === 'close') opened.destroy()
      const settled = pending
      pending = undefined
      settled?.resolve(answer)
    })
    opened.on('error', (error) => {
      if (opened === socket) pending?.reject(error)
    })
    opened.on('close', () => {
      if (opened === socket) pending?.reject(new Error('the server closed the connection'))
    })
  }
}

function openSocket(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => {
      socket.off('error', reject)
      resolve(socket)
    })
    socket.once('error', reject)
  })
}

/** The response at the start of a text; undefined while it is not complete. */
function readAnswer(text: string): Answer | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const head = text.slice(0, end)
  const start = end + 4
  const status = Number(text.slice(9, 12))
  const length = readHeader(head, 'content-length')
  if (length !== undefined) {
    if (text.length < start + Number(length)) return undefined
    return { status, head, body: text.slice(start) }
  }
  if (status === 204 || status === 304) return { status, head, body: '' }
  if (!text.endsWith('0\r\n\r\n')) return undefined
  return { status, head, body: text.slice(start).replaceAll(/\r?\n?[0-9a-f]+\r\n/g, '') }
}

const headerPatterns = new Map<string, RegExp>()

/** The value of a header. */
export function readHeader(head: string, name: string): string | undefined {
  let pattern = headerPatterns.get(name)
  if (pattern === undefined) {
    pattern = new RegExp(`\r\n${name}: *([^\r]*)`, 'i')
    headerPatterns.set(name, pattern)
  }
  return pattern.exec(head)?.[1]
}

/** The cookies that a response sets, by name; a cookie that is dropped has the value undefined. */
export function readSetCookies(head: string): [string, string | undefined][] {
  return [...head.matchAll(/\r\nset-cookie: *([^=]+)=([^;\r]*)([^\r]*)/gi)].map(
    ([, name = '', value, rest = '']) => [
      name,
      /Max-Age=0|Expires=Thu, 01 Jan 1970/i.test(rest) ? undefined : value,
    ],
  )
}

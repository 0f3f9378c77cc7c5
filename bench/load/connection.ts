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
  close(): void
}

/** Opens a connection to a port of this machine. */
export async function openConnection(port: number): Promise<Connection> {
  let socket = await openSocket(port)
  let received = ''
  let settle: ((answer: Answer) => void) | undefined
  let fail: ((error: Error) => void) | undefined

  listen()
  return {
    async send(request) {
      // Some servers close a connection after a number of requests.
      if (socket.destroyed || socket.readyState !== 'open') {
        socket = await openSocket(port)
        listen()
      }
      return new Promise((resolve, reject) => {
        settle = resolve
        fail = reject
        socket.write(request, 'latin1')
      })
    },
    close: () => socket.destroy(),
  }

  function listen(): void {
    received = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      received = received === '' ? chunk : received + chunk
      const answer = readAnswer(received)
      if (answer === undefined) return
      received = ''
      const done = settle
      settle = undefined
      done?.(answer)
    })
    socket.on('error', (error) => fail?.(error))
    socket.on('close', () => {
      if (settle !== undefined) fail?.(new Error('the server closed the connection'))
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

/** The value of a header. */
export function readHeader(head: string, name: string): string | undefined {
  return new RegExp(`\r\n${name}: *([^\r]*)`, 'i').exec(head)?.[1]
}

/** The cookies that a response sets, by name; a cookie that is dropped has the value undefined. */
export function readSetCookies(head: string): [string, string | undefined][] {
  return [...head.matchAll(/\r\nset-cookie: *([^=]+)=([^;\r]*)([^\r]*)/gi)].map(([, name = '', value, rest = '']) => [
    name,
    /Max-Age=0|Expires=Thu, 01 Jan 1970/i.test(rest) ? undefined : value,
  ])
}

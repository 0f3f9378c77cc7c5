import { subscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { recordOutput } from './files.ts'
import {
  recordAppToken,
  recordCookie,
  recordProviderRequest,
  recordState,
  recordTokenResponse,
} from './secrets.ts'

/**
 * Watches every HTTP server of a process: what providers issue is secret, and what Portico answers is output.
 * Bodies are kept up to this many bytes; larger ones are those of upstreams, and of hostile providers.
 */
const longestBody = 1024 * 1024

/** Starts to watch; once in each process, however often it is called. */
export function watchHttp(): void {
  const global = globalThis as { canariesWatchHttp?: true }
  if (global.canariesWatchHttp) return
  global.canariesWatchHttp = true
  subscribe('http.server.request.start', (message) => {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse }
    watch(request, response)
  })
}

function watch(req: IncomingMessage, res: ServerResponse): void {
  const path = toDefaultAddress((req.url ?? '').replace(/\?.*/, ''))
  // What upstreams answer is theirs, and may be large.
  const isProxied = path.startsWith('/api/proxy/')
  const sent = isProxied ? '' : collect(req, 'push')
  const answered = isProxied ? '' : collect(res, 'write', 'end')
  res.once('close', () => {
    const head = (res as unknown as { _header: string | null })._header ?? ''
    if (/\r\nx-request-id: /i.test(head)) recordAnswer(path, head, String(answered))
    else recordProvider(req, path, String(sent), head, String(answered))
  })
}

/**
 * An address of Portico without the path of PUBLIC_URL and with the default of API_PREFIX: wherever tests set
 * them, they are these.
 */
export const toDefaultAddress = (address: string): string =>
  address.replace(/^\/shop(?=\/)/, '').replace(/^\/auth(?=\/)/, '/api')

/** What passes these methods, as text once it is asked for. */
export function collect(target: object, ...methods: string[]): { toString(): string } {
  const chunks: Buffer[] = []
  let length = 0
  for (const method of methods) {
    const own = target as Record<string, (...args: unknown[]) => unknown>
    const before = own[method]
    if (before === undefined) continue
    own[method] = (...args) => {
      const [chunk, encoding] = args
      if (length < longestBody && (typeof chunk === 'string' || chunk instanceof Uint8Array)) {
        const bytes =
          typeof chunk === 'string'
            ? Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
            : Buffer.from(chunk)
        length += bytes.length
        chunks.push(bytes)
      }
      return before.apply(target, args)
    }
  }
  return { toString: () => Buffer.concat(chunks).toString('latin1') }
}

/** An answer of Portico: its cookies and tokens are secret, and all else must not hold any. */
function recordAnswer(path: string, head: string, body: string): void {
  const others: string[] = []
  for (const line of head.split('\r\n')) {
    const cookie = /^set-cookie: (.*)/i.exec(line)?.[1]
    if (cookie === undefined) others.push(line)
    else recordCookie(cookie)
  }
  recordState(`${head}\n${body}`)
  if (path === '/api/token' || path.startsWith('/api/callback')) recordAppToken(body)
  recordOutput(`headers ${path}`, others.join(' '))
  recordOutput(`answer ${path}`, body)
}

/** A request of a provider, a collector or an API. */
function recordProvider(
  { headers }: IncomingMessage,
  path: string,
  sent: string,
  head: string,
  answered: string,
): void {
  if (path.endsWith('/v1/traces')) recordOutput('traces', sent)
  if (/(^|&)(grant_type|token)=/.test(sent)) recordProviderRequest(sent, headers.authorization)
  if (/"(access|id|refresh)_token"/.test(answered)) recordTokenResponse(answered)
  // A signed answer contains the code.
  const code = /\r\nlocation: [^\r]*[?&](?:code|response)=([^&\r]+)/i.exec(head)?.[1]
  if (code !== undefined) recordProviderRequest(`code=${code}`)
}

import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { AppError } from '../../errors.ts'

/**
 * The body of a call. A small one was read, so that it can be sent again where the upstream wants another
 * token; a large one, or one of unknown length, is sent while it comes, once.
 */
export type RequestBody =
  | { readonly kind: 'none'; readonly content: null }
  | { readonly kind: 'read'; readonly content: Buffer }
  | { readonly kind: 'stream'; readonly content: PassThrough }

/** Bytes up to which a body is read before it is sent. */
const smallBody = 65_536

interface BodyLimits {
  /** Bytes. */
  maxBody: number
  /** Called for each chunk of a streamed body. */
  onChunk(): void
  /** Called once with AppError `payload_too_large` where a streamed body is too large. */
  onTooLarge(error: AppError): void
}

/**
 * Reads or opens the body of a request.
 *
 * @throws AppError `payload_too_large`, and `invalid_request` where GET or HEAD has a body: servers do not
 * agree on where it ends
 */
export async function openBody(req: IncomingMessage, limits: BodyLimits): Promise<RequestBody> {
  const { 'content-length': length, 'transfer-encoding': encoding } = req.headers
  const size = Number(length ?? 0)
  if (encoding === undefined && size === 0) return empty
  if (req.method === 'GET' || req.method === 'HEAD') {
    throw new AppError('invalid_request', `A ${req.method} has no body.`, { reason: 'body' })
  }
  if (size > limits.maxBody) throw tooLarge(limits.maxBody)
  if (encoding === undefined && size <= smallBody) return { kind: 'read', content: await read(req) }
  return { kind: 'stream', content: stream(req, limits) }
}

const empty = { kind: 'none', content: null } as const

async function read(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/**
 * The body as a stream of its own: undici destroys it where a call fails, and the connection of the client
 * must survive that to receive the response.
 */
function stream(req: IncomingMessage, { maxBody, onChunk, onTooLarge }: BodyLimits): PassThrough {
  const through = new PassThrough()
  let received = 0
  req.on('data', (chunk: Buffer) => {
    received += chunk.length
    if (received <= maxBody) return onChunk()
    req.unpipe(through)
    req.removeAllListeners('data')
    onTooLarge(tooLarge(maxBody))
  })
  // While its token is obtained, no one else listens, and an unheard error would end the process.
  through.on('error', () => {})
  // Where the client goes away, the upstream must not take what has come for the whole body.
  req.once('close', () => {
    if (!req.complete) through.destroy(new Error('the client has gone'))
  })
  // The upstream has answered early, or the call has failed: the client may still be sending the rest.
  through.once('close', () => {
    req.removeAllListeners('data')
    req.resume()
  })
  return req.pipe(through)
}

const tooLarge = (maxBody: number) =>
  new AppError('payload_too_large', `The body may have at most ${maxBody} bytes.`)

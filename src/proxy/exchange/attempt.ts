import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'

/** A request to an upstream, as it is sent. */
export interface UpstreamRequest {
  method: string
  path: string
  /** A flat list of names and values. */
  headers: string[]
  body: Dispatcher.DispatchOptions['body']
  /** The protocol of an upgrade (RFC 9110 7.8). */
  upgrade: 'websocket' | null
}

/** Receives the response of an upstream as it comes. */
export interface ResponseSink {
  /** Whether the response is held back: it may be replaced by that of another attempt. */
  holdsBack(status: number, headers: IncomingHttpHeaders): boolean
  begin(status: number, headers: IncomingHttpHeaders): void
  /** Returns whether more may come; `resume` of the attempt lets it come again. */
  data(chunk: Buffer): boolean
  end(): void
  upgrade(headers: IncomingHttpHeaders, socket: Duplex): void
  /** Something has moved. */
  progress(): void
}

/** One request to an upstream that is on its way. */
export interface Attempt {
  /**
   * Resolves once the response was received or the connection upgraded: with the response where it was held
   * back. Rejects with the error of undici, or of `abort`.
   */
  readonly result: Promise<HeldResponse | undefined>
  resume(): void
  abort(error: Error): void
}

/** A response that was held back. */
export interface HeldResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: readonly Buffer[]
}

/** Bytes of a body that are held back; a longer one shows that the response is not just a refusal. */
const longestHeld = 16_384

/** Sends a request; the sink receives the response. */
export function startAttempt(dispatcher: Dispatcher, request: UpstreamRequest, sink: ResponseSink): Attempt {
  const { promise, resolve, reject } = Promise.withResolvers<HeldResponse | undefined>()
  let controller: Dispatcher.DispatchController | undefined
  let failure: Error | undefined
  let held: { status: number; headers: IncomingHttpHeaders; body: Buffer[]; length: number } | undefined

  function release({ status, headers, body }: HeldResponse): void {
    held = undefined
    sink.begin(status, headers)
    for (const chunk of body) pass(chunk)
  }

  function pass(chunk: Buffer): void {
    if (!sink.data(chunk)) controller?.pause()
  }

  dispatcher.dispatch(request as Dispatcher.DispatchOptions, {
    onRequestStart(started) {
      controller = started
      // It waited for a connection: it must not be sent any more.
      if (failure !== undefined) started.abort(failure)
    },
    onRequestUpgrade(_controller, _status, headers, socket) {
      sink.upgrade(headers, socket)
      resolve(undefined)
    },
    onResponseStart(_controller, status, headers) {
      // Informational responses come first (RFC 9110 15.2).
      if (status < 200) return sink.progress()
      if (sink.holdsBack(status, headers)) held = { status, headers, body: [], length: 0 }
      else sink.begin(status, headers)
    },
    onResponseData(_controller, chunk) {
      if (held === undefined) return pass(chunk)
      sink.progress()
      held.body.push(chunk)
      held.length += chunk.length
      if (held.length > longestHeld) release(held)
    },
    onResponseEnd() {
      if (held === undefined) sink.end()
      resolve(held)
    },
    onResponseError: (_controller, error) => reject(failure ?? error),
  })

  return {
    result: promise,
    resume: () => controller?.resume(),
    abort(error) {
      if (failure !== undefined) return
      failure = error
      controller?.abort(error)
      // undici reports no error of a request that it has not begun.
      if (controller === undefined) reject(error)
    },
  }
}

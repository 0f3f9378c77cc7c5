import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { SelectResponseHeaders } from '../headers/response-headers.ts'
import type { Deadline } from './deadline.ts'

/** Passes an upstream's response on to the browser. */
export interface Relay {
  begin(status: number, headers: IncomingHttpHeaders): void
  /** Returns false where the browser takes no more for now; `onDrain` follows. */
  data(chunk: Buffer): boolean
  end(): void
  /** Whether a part of the response is on its way to the browser, so that no other can take its place. */
  hasBegun(): boolean
  /** Whether all of it is on its way. */
  hasEnded(): boolean
  /** Whether the browser takes nothing for now. */
  isBlocked(): boolean
  /** Whether it is an event stream, which may be silent for as long as it likes. */
  isStream(): boolean
}

/** Bytes up to which it costs less to copy a body than to write it beside its head. */
const longestText = 16_384

interface RelayOptions {
  res: ServerResponse
  selectHeaders: SelectResponseHeaders
  deadline: Deadline
  onDrain(): void
  /** Called with the status once the head of the response has come. */
  onBegin(status: number): void
}

/**
 * Creates the relay of one response. Its head leaves together with the first bytes of the body, in one
 * packet, and until then an error can still take its place. That of an event stream leaves at once.
 */
export function createRelay({ res, selectHeaders, deadline, onDrain, onBegin }: RelayOptions): Relay {
  let head: { status: number; headers: string[]; length: string | undefined } | undefined
  let isStream = false
  let hasBegun = false
  let hasEnded = false

  function writeHead(): void {
    if (head === undefined) return
    hasBegun = true
    // No other request can follow a body that may never be complete.
    if (!res.req.complete) res.shouldKeepAlive = false
    res.writeHead(head.status, head.headers)
    head = undefined
  }

  return {
    begin(status, headers) {
      deadline.progress()
      head = { status, headers: selectHeaders(status, headers), length: headers['content-length'] }
      isStream = /^text\/event-stream\b/i.test(headers['content-type'] ?? '')
      onBegin(status)
      if (!isStream) return
      // Or nginx in front would keep events until its buffer is full.
      head.headers.push('X-Accel-Buffering', 'no')
      writeHead()
      res.flushHeaders()
      deadline.rest()
    },
    data(chunk) {
      deadline.progress()
      if (head?.length === String(chunk.length)) {
        hasEnded = true
        writeHead()
        // The whole body, as a text of the same bytes: Node writes it together with the head, in one piece.
        if (chunk.length <= longestText) res.end(chunk.toString('latin1'), 'latin1')
        else res.end(chunk)
        return true
      }
      writeHead()
      if (res.write(chunk)) return true
      // From here on it is the browser that has to move.
      deadline.watch()
      res.once('drain', () => {
        if (isStream) deadline.rest()
        else deadline.progress()
        onDrain()
      })
      return false
    },
    end() {
      if (hasEnded) return
      hasEnded = true
      writeHead()
      res.end()
    },
    hasBegun: () => hasBegun,
    hasEnded: () => hasEnded,
    isBlocked: () => res.writableNeedDrain,
    isStream: () => isStream,
  }
}

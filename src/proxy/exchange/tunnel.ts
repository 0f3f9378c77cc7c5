import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** A WebSocket connection between the browser and an upstream. */
export interface Tunnel {
  /** Closes both sides at once. */
  end(): void
}

/** The headers of a handshake's response that the browser needs (RFC 6455 4.2.2). */
const ofHandshake = ['Sec-WebSocket-Accept', 'Sec-WebSocket-Extensions', 'Sec-WebSocket-Protocol'] as const

interface TunnelOptions {
  /** The response to the browser's handshake, which is still on its connection. */
  res: ServerResponse
  /** What the browser has sent after its handshake. */
  head: Buffer
  upstream: Duplex
  headers: IncomingHttpHeaders
  onClose(): void
}

/**
 * Answers the browser's handshake as the upstream has answered it, and connects the two. The frames are not
 * read; where one side closes, so does the other.
 */
export function openTunnel({ res, head, upstream, headers, onClose }: TunnelOptions): Tunnel {
  const browser = res.req.socket
  const passing = ofHandshake.flatMap((name) => {
    const value = headers[name.toLowerCase()]
    return typeof value === 'string' ? [name, value] : []
  })
  res.writeHead(101, ['Upgrade', 'websocket', 'Connection', 'Upgrade', ...passing])
  res.flushHeaders()
  res.detachSocket(browser)

  const sides = [browser, upstream]
  const end = () => {
    for (const side of sides) side.destroy()
  }
  for (const side of sides) side.on('error', end)
  // A side that ends without closing leaves nothing to talk to.
  browser.once('close', end)
  upstream.once('close', () => {
    end()
    onClose()
    // It was taken off its connection, which would have said so: the log waits for it.
    res.emit('close')
  })
  browser.setTimeout(0)
  browser.setNoDelay(true)
  if (head.length > 0) upstream.write(head)
  browser.pipe(upstream).pipe(browser)
  return { end }
}

import type { Observer } from '../telemetry/observer.ts'
import { createDeadline } from './exchange/deadline.ts'
import { createExchange } from './exchange/exchange.ts'
import { observeCall } from './exchange/observation.ts'
import { createRelay } from './exchange/relay.ts'
import { openBody } from './exchange/request-body.ts'
import { CallEnded, toLateness, toUpstreamFailure } from './exchange/upstream-failure.ts'
import type { OpenCall, OpenCalls } from './open-calls.ts'
import type { ProxiedCall } from './proxied-call.ts'
import type { UpstreamTokens } from './tokens/upstream-token.ts'
import type { Upstreams } from './upstreams.ts'

/**
 * Forwards a call to its upstream, and the response to the browser. Resolves once the response is complete,
 * the WebSocket connection open, or the browser gone. Where the response breaks off, so does that to the
 * browser, which sees that it is not complete.
 *
 * @throws AppError `upstream_unavailable`, `upstream_timeout`, `payload_too_large`, `request_timeout`,
 * `invalid_request`, or as UpstreamTokens, as long as no response has begun
 */
export type Forward = (call: ProxiedCall) => Promise<void>

interface ForwardOptions {
  upstreams: Upstreams
  tokens: UpstreamTokens
  openCalls: OpenCalls
  observer: Observer
}

/** Creates the step that forwards calls. */
export function createForward({ upstreams, tokens, openCalls, observer }: ForwardOptions): Forward {
  return async (call) => {
    const { req, res, session, target } = call
    const { route } = target
    const upstream = upstreams.of(route)
    const observation = observeCall(route.name, observer)
    const deadline = createDeadline(route.timeout, () => exchange.stop(toLateness(req, relay.isBlocked())))
    const relay = createRelay({
      res,
      selectHeaders: upstream.selectResponseHeaders,
      deadline,
      onDrain: () => exchange.resume(),
      onBegin(status) {
        observation.answered(status)
        if (relay.isStream()) observation.end()
      },
    })
    const exchange = createExchange({
      ...{ call, upstream, tokens, relay, deadline },
      onTunnelClosed: () => openCalls.delete(open),
    })
    const open: OpenCall = {
      session,
      // Of a handshake, too: the HTTP server does not close its connection, however long the upstream waits.
      isStream: () => call.upgradeHead !== undefined || relay.isStream(),
      end: (reason) => exchange.stop(reason),
    }
    openCalls.add(open)
    const onGone = () => {
      if (!relay.hasEnded()) exchange.stop(new CallEnded())
    }
    res.once('close', onGone)
    // Behind another call on its connection, a response has none yet, and does not see it close.
    if (res.socket === null) req.socket.once('close', onGone)
    // It may have gone while its session was read.
    if (req.socket.destroyed) onGone()

    try {
      const { maxBody } = route
      const onChunk = () => deadline.progress()
      const body = await openBody(req, { maxBody, onChunk, onTooLarge: exchange.stop })
      if (body.kind === 'stream') call.onStreamedBody()
      await exchange.run(body)
    } catch (error) {
      const refusal = error instanceof CallEnded ? undefined : toUpstreamFailure(error, route.name)
      observation.end(refusal?.code ?? 'client_gone')
      if (refusal === undefined) res.destroy()
      if (refusal === undefined || res.destroyed) return
      if (!relay.hasBegun()) {
        // As in the relay; a body that was not begun is read to its end by Node.
        if (req.readableDidRead && !req.complete) res.shouldKeepAlive = false
        throw refusal
      }
      call.onBrokenOff(refusal)
      res.destroy()
    } finally {
      res.off('close', onGone)
      req.socket.off('close', onGone)
      deadline.stop()
      observation.end()
      if (!exchange.isTunnel()) openCalls.delete(open)
    }
  }
}

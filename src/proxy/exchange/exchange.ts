import type { IncomingHttpHeaders } from 'node:http'
import { isConnectionLost } from '../../errors.ts'
import { assertAccess } from '../access.ts'
import { toUpstreamHeaders } from '../headers/upstream-headers.ts'
import type { ProxiedCall } from '../proxied-call.ts'
import type { AuthorizedSession, UpstreamToken, UpstreamTokens } from '../tokens/upstream-token.ts'
import type { Upstream } from '../upstreams.ts'
import { type Attempt, type HeldResponse, type ResponseSink, startAttempt } from './attempt.ts'
import type { Deadline } from './deadline.ts'
import type { Relay } from './relay.ts'
import type { RequestBody } from './request-body.ts'
import { openTunnel, type Tunnel } from './tunnel.ts'

/** The requests that one call makes to its upstream: one, and another where something can be mended. */
export interface Exchange {
  /** Sends the request; resolves once the response was relayed, or the connection became a tunnel. */
  run(body: RequestBody): Promise<void>
  /** Stops it, whatever it waits for; `run` rejects with the error. */
  stop(error: Error): void
  /** Lets more of the response come. */
  resume(): void
  /** Whether it has become a WebSocket connection. */
  isTunnel(): boolean
}

interface ExchangeOptions {
  call: ProxiedCall
  upstream: Upstream
  tokens: UpstreamTokens
  relay: Relay
  deadline: Deadline
  onTunnelClosed(): void
}

/**
 * What may help after a response or a failure, each once: a proof with the upstream's nonce (RFC 9449 9),
 * another token, or a connection that the upstream has not just closed.
 */
type Remedy = 'nonce' | 'token' | 'connection'

/** Creates the exchange of one call. */
export function createExchange(options: ExchangeOptions): Exchange {
  const { call, upstream, tokens, relay, deadline } = options
  const { req, session, target } = call
  const { route } = target
  const { method = 'GET' } = req
  const tried = new Set<Remedy>()
  let attempt: Attempt | undefined
  let tunnel: Tunnel | undefined
  let failure: Error | undefined
  let authorized: AuthorizedSession | undefined

  async function run(body: RequestBody): Promise<void> {
    if (session !== undefined) authorize(await tokens.get(session, route.token))
    for (;;) {
      const held = await send(body)
      if (held === undefined) return
      if (held === 'again') continue
      const next = await mend(held)
      if (next === undefined) return passOn(held, relay)
      authorize(next)
    }
  }

  /** Uses a token. Scopes and groups follow a refresh, by which a user may lose access. */
  function authorize(next: AuthorizedSession): void {
    if (next.session !== (authorized?.session ?? session)) assertAccess(next.session, route.access)
    authorized = next
  }

  /** Returns the response where it was held back, and `again` where the request can be sent again at once. */
  async function send(body: RequestBody): Promise<HeldResponse | 'again' | undefined> {
    const headers = await toUpstreamHeaders(call, upstream, authorized?.token)
    if (failure !== undefined) throw failure
    // Until here it was the turn of the browser, with a small body, or of the provider.
    deadline.watch()
    const upgrade = call.upgradeHead === undefined ? null : 'websocket'
    const request = { method, path: target.path, headers, body: body.content, upgrade } as const
    attempt = startAttempt(upstream.pool, request, toSink(body))
    try {
      return await attempt.result
    } catch (error) {
      // An idle connection that the upstream closes at this moment: the request has had no effect.
      const isSafe = body.kind === 'none' && (method === 'GET' || method === 'HEAD')
      if (!isSafe || relay.hasBegun() || !isConnectionLost(error) || tried.has('connection')) throw error
      tried.add('connection')
      return 'again'
    }
  }

  function toSink(body: RequestBody): ResponseSink {
    return {
      holdsBack(status, headers) {
        const nonce = headers['dpop-nonce']
        if (typeof nonce === 'string') upstream.dpopNonce = nonce
        if (status !== 401 || body.kind === 'stream') return false
        const remedy = findRemedy(headers, authorized?.token)
        return remedy !== undefined && !tried.has(remedy)
      },
      begin: relay.begin,
      data: relay.data,
      end: relay.end,
      progress: deadline.progress,
      upgrade(headers, socket) {
        const head = call.upgradeHead ?? Buffer.alloc(0)
        const { res } = call
        tunnel = openTunnel({ res, head, upstream: socket, headers, onClose: options.onTunnelClosed })
      },
    }
  }

  /** Another token, or the same for a new proof; undefined where none would help. */
  async function mend({ headers }: HeldResponse): Promise<AuthorizedSession | undefined> {
    const remedy = findRemedy(headers, authorized?.token)
    if (remedy !== undefined) tried.add(remedy)
    if (authorized === undefined || remedy === 'nonce') return authorized
    deadline.rest()
    return tokens.renew(authorized, route.token)
  }

  return {
    run,
    stop(error) {
      failure ??= error
      attempt?.abort(error)
      tunnel?.end()
    },
    resume: () => attempt?.resume(),
    isTunnel: () => tunnel !== undefined,
  }
}

/** What may help after a 401. A step-up needs the user, and no other token (RFC 9470). */
function findRemedy(
  { 'www-authenticate': challenges }: IncomingHttpHeaders,
  token: UpstreamToken | undefined,
): Remedy | undefined {
  const text = String(challenges ?? '')
  if (token === undefined || text.includes('insufficient_user_authentication')) return undefined
  return token.prove !== undefined && text.includes('use_dpop_nonce') ? 'nonce' : 'token'
}

/** Relays a response that was held back, since nothing can take its place. */
function passOn({ status, headers, body }: HeldResponse, relay: Relay): void {
  relay.begin(status, headers)
  for (const chunk of body) relay.data(chunk)
  relay.end()
}

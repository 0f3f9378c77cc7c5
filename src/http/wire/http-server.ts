import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Express, Response } from 'express'
import type { Config } from '../../config/config.ts'
import type { AppError } from '../../errors.ts'
import { toProxyPrefix } from '../../proxy/route-match.ts'
import type { Log } from '../../telemetry/events.ts'
import { createProblemDetails } from '../middleware/problem-details.ts'
import {
  logRefusal,
  refuseConnection,
  translateParserError,
  tunnelRefused,
  upgradeRefused,
} from './refusals.ts'
import { makeSafeToRead } from './safe-request.ts'

/** All durations are milliseconds. */
const deadlines = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  // How often Node looks for requests that are late. Its default, 30
  // seconds, would add as much to both deadlines.
  connectionsCheckingInterval: 1_000,
  // Longer than load balancers keep idle connections: they close
  // first, and no request meets a closing connection.
  keepAliveTimeout: 65_000,
}

interface HttpServerOptions {
  config: Config
  log: Log
}

/**
 * Creates the server between sockets and an app. Every request is made safe to read before the app gets it,
 * and every request gets a response and a log line, even if it never reaches the app.
 */
export function createHttpServer(app: Express, { config, log }: HttpServerOptions): Server {
  /** The response to the last request of each connection that reached Express. */
  const responses = new WeakMap<Socket, Response>()
  const answerError = createProblemDetails(config)
  /** A dev server reloads the app over a WebSocket connection, at an address that it chooses. */
  const hasDevServer = config.spa?.kind === 'dev-server'
  const proxyPrefix = toProxyPrefix(config)
  const shouldUpgradeCallback = (req: IncomingMessage) =>
    isWebSocket(req) && (hasDevServer || req.url?.startsWith(proxyPrefix) === true)
  // Node's own check of Host is off, because it answers without a log line; `refuseMalformed` does the same.
  const server = createServer({ ...deadlines, requireHostHeader: false, shouldUpgradeCallback })

  server.on('request', (req, res: Response) => {
    responses.set(req.socket, res)
    makeSafeToRead(req)
    app(req, res)
  })

  // Without this, Node would answer 417 itself; unknown expectations may be ignored (RFC 9110 10.1.1).
  server.on('checkExpectation', (req, res) => void server.emit('request', req, res))

  // The handshake of a WebSocket connection passes the same guards as any call, with a response of its own.
  server.on('upgrade', (req, socket, head) => {
    if (!(socket instanceof Socket)) return void socket.destroy()
    // A client waits for its answers before it upgrades: a connection has one response at a time.
    const last = responses.get(socket)
    if (last !== undefined && (last.socket !== null || !last.writableFinished)) {
      refuseAfter(last, socket, upgradeRefused())
      return
    }
    const res = Object.assign(new ServerResponse(req), { locals: { upgradeHead: head } })
    res.assignSocket(socket)
    res.shouldKeepAlive = false
    res.once('finish', () => {
      res.detachSocket(socket)
      socket.destroySoon()
      // Off its connection, it is not closed by Node: the log waits for it.
      res.emit('close')
    })
    socket.on('error', () => {})
    // Node reads nothing of it any more: this shows that the client has gone. It sends nothing before it has
    // its answer (RFC 6455 4.1).
    socket.resume().once('end', () => {
      if (res.socket === socket) socket.destroy()
    })
    makeSafeToRead(req)
    app(req, res as unknown as Response)
  })

  server.on('connect', (_req, socket) => {
    if (socket instanceof Socket) refuseAfter(responses.get(socket), socket, tunnelRefused())
  })

  server.on('clientError', (error, socket) => {
    // The connection is lost, or was never used: browsers open connections in advance.
    if (!(socket instanceof Socket) || !socket.writable || isLost(error) || socket.bytesRead === 0) {
      socket.destroy()
      return
    }
    const res = responses.get(socket)
    // Only while that body comes: what follows it on the connection has the usual deadlines.
    if (isLate(error) && res?.locals.hasOwnDeadline && !res.req.complete) return
    const refusal = translateParserError(error)
    if (res !== undefined && !res.req.complete) refuseBody(res, socket, refusal)
    else refuseAfter(res, socket, refusal)
  })

  return server

  /**
   * Refuses bytes that came after the last request. The response must not be taken for that of the last
   * request.
   */
  function refuseAfter(last: Response | undefined, socket: Socket, refusal: AppError): void {
    if (last === undefined || last.writableFinished) {
      refuseConnection(socket, refusal, log)
      return
    }
    logRefusal(socket, refusal, log)
    socket.on('error', () => {})
    socket.destroy()
  }

  /**
   * Refuses a request for its body. Express has the request already, and so answers and logs it as any other.
   */
  function refuseBody(res: Response, socket: Socket, refusal: AppError): void {
    if (res.headersSent) {
      socket.destroySoon()
      return
    }
    res.shouldKeepAlive = false
    answerError(refusal, res.req, res, () => {})
  }
}

const isLate = ({ code }: NodeJS.ErrnoException) => code === 'ERR_HTTP_REQUEST_TIMEOUT'
const isLost = ({ code }: NodeJS.ErrnoException) => code === 'ECONNRESET'

/**
 * Whether a request opens a WebSocket connection, which a GET without a body does (RFC 6455 4.1); no other
 * protocol is known here. Of a connection that was upgraded, Node watches no deadline.
 */
const isWebSocket = ({ method, headers }: IncomingMessage) =>
  headers.upgrade?.toLowerCase() === 'websocket' &&
  method === 'GET' &&
  !Number(headers['content-length'] ?? 0) &&
  headers['transfer-encoding'] === undefined

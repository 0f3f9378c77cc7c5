import { createServer, type IncomingMessage, type Server } from 'node:http'
import { Socket } from 'node:net'
import type { Express, Response } from 'express'
import type { Config } from '../../config/config.ts'
import type { AppError } from '../../errors.ts'
import type { Log } from '../../telemetry/logger.ts'
import { createProblemDetails } from '../middleware/problem-details.ts'
import { toPlainForwardedFor } from './forwarded-for.ts'
import { cutHeaderValues } from './header-values.ts'
import { noTunnel, noteRefusal, refuseConnection, toRefusal } from './refusals.ts'
import { toPath } from './request-target.ts'

/** All durations are milliseconds. */
const deadlines = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  // How often Node looks for requests that are late. Its default, 30 seconds, would add as much to both deadlines.
  connectionsCheckingInterval: 1_000,
  // Longer than balancers keep idle connections, so that they close first and no request meets a closing one.
  keepAliveTimeout: 65_000,
}

interface HttpServerOptions {
  config: Config
  log: Log
}

/**
 * Creates the server between sockets and an app: no request reaches the app before it is fit to be read, and none goes
 * without an answer and a log line, also where it never reaches the app.
 */
export function createHttpServer(app: Express, { config, log }: HttpServerOptions): Server {
  /** The last request of each connection, by the response that Express took over. */
  const responses = new WeakMap<Socket, Response>()
  const answerError = createProblemDetails(config)
  // Without Node's own check of Host, which answers by itself and leaves no line; `refuseMalformed` has it.
  const server = createServer({ ...deadlines, requireHostHeader: false })

  server.on('request', (req, res: Response) => {
    responses.set(req.socket, res)
    makeReadable(req)
    app(req, res)
  })

  // Node would answer 417 by itself; expectations that are not known may be ignored (RFC 9110 10.1.1).
  server.on('checkExpectation', (req, res) => void server.emit('request', req, res))

  server.on('connect', (_req, socket) => {
    if (socket instanceof Socket) refuseBehind(socket, responses.get(socket), noTunnel())
  })

  server.on('clientError', (error, socket) => {
    // Lost, or never used: browsers open connections in advance.
    if (!(socket instanceof Socket) || !socket.writable || isLost(error) || socket.bytesRead === 0) {
      socket.destroy()
      return
    }
    const refusal = toRefusal(error)
    const res = responses.get(socket)
    if (res !== undefined && !res.req.complete) refuseBody(res, socket, refusal)
    else refuseBehind(socket, res, refusal)
  })

  /** Refuses what came behind the last request; its answer must not be taken for that of the request. */
  function refuseBehind(socket: Socket, last: Response | undefined, refusal: AppError): void {
    if (last === undefined || last.writableFinished) {
      refuseConnection(socket, refusal, log)
      return
    }
    noteRefusal(socket, refusal, log)
    socket.on('error', () => {})
    socket.destroy()
  }

  /** Only the body is wrong: the request is with Express, and its answer and its line are as those of any other. */
  function refuseBody(res: Response, socket: Socket, refusal: AppError): void {
    if (res.headersSent) {
      socket.destroySoon()
      return
    }
    res.shouldKeepAlive = false
    answerError(refusal, res.req, res, () => {})
  }

  return server
}

const isLost = ({ code }: NodeJS.ErrnoException) => code === 'ECONNRESET'

/** Before Express, and all that stands on it, reads anything. */
function makeReadable(req: IncomingMessage): void {
  req.url = toPath(req.url ?? '')
  cutHeaderValues(req.headers)
  const forwardedFor = req.headers['x-forwarded-for']
  if (typeof forwardedFor === 'string') req.headers['x-forwarded-for'] = toPlainForwardedFor(forwardedFor)
}

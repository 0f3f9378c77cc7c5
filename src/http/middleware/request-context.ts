import { randomUUID } from 'node:crypto'
import type { RequestHandler } from 'express'
import type { Clock } from '../../clock.ts'
import type { Session } from '../../session/session.ts'
import type { Log } from '../../telemetry/logger.ts'
import { readAddress } from '../request/address.ts'

declare global {
  namespace Express {
    interface Locals {
      requestId: string
      /** Adds the request's id to every event. */
      log: Log
      /** What the request was refused with, for its log line. */
      refusal?: { code: string; reason: string | undefined }
      /** Set by `requireSession`. */
      session?: Session
      /** The login that a "try again" link on an error page begins. */
      retry?: Retry
    }
  }
}

/** Where a login leads, and at which provider it is. */
export interface Retry {
  returnTo: string
  provider?: string | undefined
}

const probes: ReadonlySet<string> = new Set(['/livez', '/readyz'])

/** Gives each request an id of ours and a log that names it, and writes one line when the answer is out. */
export function createRequestContext({ log, clock }: { log: Log; clock: Clock }): RequestHandler {
  return (req, res, next) => {
    const requestId = randomUUID()
    const startedAt = clock.now()
    // The path without its query, which may hold a code; taken now, because routers rewrite it.
    const { path, method } = req
    res.locals.requestId = requestId
    res.locals.log = (event, fields) => log(event, { request_id: requestId, ...fields })
    res.set('X-Request-Id', requestId)
    res.once('close', () => {
      const { refusal } = res.locals
      // Probes come every few seconds, for ever: only their failures are news.
      const isGoodProbe = probes.has(path) && res.statusCode === 200
      res.locals.log(isGoodProbe ? 'probe_completed' : 'request_completed', {
        method,
        path: path.slice(0, 200),
        status: res.headersSent ? res.statusCode : 0,
        duration_ms: clock.now() - startedAt,
        address: readAddress(req),
        ...refusal,
      })
    })
    next()
  }
}

/** Answers are about one person: no cache may keep them. */
export const noStore: RequestHandler = (_req, res, next) => {
  res.set('Cache-Control', 'no-store')
  next()
}

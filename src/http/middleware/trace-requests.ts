import type { Request, RequestHandler, Response } from 'express'
import type { Config } from '../../config/config.ts'
import { withFields } from '../../telemetry/events.ts'
import { toServerAttributes } from '../../telemetry/tracing/server-attributes.ts'
import type { TraceContext, Tracing } from '../../telemetry/tracing/tracing.ts'
import { isFromTrustedProxy } from '../request/address.ts'
import { noRoute, toRoutePattern } from '../route.ts'
import { listProbes } from './request-context.ts'

/** The methods that OpenTelemetry's conventions know; a client may send others, without end. */
const knownMethods: ReadonlySet<string> = new Set(
  'CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT TRACE'.split(' '),
)

interface RequestTracingOptions {
  tracing: Tracing
  config: Pick<Config, 'publicUrl' | 'basePath'>
}

/**
 * Creates the middleware that runs each request in a span, and adds the id of its trace to its log lines. The
 * span names the address as `routes.ts` writes it: a path may name a user, and a query may be a code.
 */
export function createRequestTracing({ tracing, config }: RequestTracingOptions): RequestHandler {
  const { publicUrl, basePath } = config
  const probes = listProbes(basePath)
  const server = { 'url.scheme': publicUrl.split(':')[0], ...toServerAttributes(publicUrl) }

  return (req, res, next) => {
    if (probes.has(req.path)) return next()
    const method = knownMethods.has(req.method) ? req.method : '_OTHER'
    const span = tracing.startSpan({
      name: toName(method),
      kind: 'server',
      attributes: {
        ...server,
        'http.request.method': method,
        'network.protocol.version': req.httpVersion,
      },
      parent: readTrustedContext(req),
    })
    addTraceId(res, span.traceId)
    res.once('close', () => {
      const route = toRoutePattern(req)
      if (route !== noRoute) {
        span.rename(toName(method, route))
        span.set({ 'http.route': route, 'url.path': /[:*(]/.test(route) ? undefined : route })
      }
      const { refusal } = res.locals
      if (!res.headersSent) span.fail(refusal?.code ?? 'client_gone')
      else {
        span.set({ 'http.response.status_code': res.statusCode, 'error.type': refusal?.code })
        // Of a server's span, only its own faults count as errors.
        if (res.statusCode >= 500) span.fail(refusal?.code ?? String(res.statusCode))
      }
      span.end()
    })
    span.run(next)
  }
}

/** Adds the id of a trace to the log lines of a request that follow. */
export function addTraceId({ locals }: Pick<Response, 'locals'>, traceId: string): void {
  locals.log = withFields(locals.log, { trace_id: traceId })
}

const toName = (method: string, route?: string): string =>
  [method === '_OTHER' ? 'HTTP' : method, ...(route === undefined ? [] : [route])].join(' ')

/** The trace that a trusted proxy began. Anyone else could put a request into any trace. */
function readTrustedContext(req: Request): TraceContext | undefined {
  const { traceparent, tracestate } = req.headers
  if (typeof traceparent !== 'string' || !isFromTrustedProxy(req)) return undefined
  return { traceparent, tracestate: tracestate === undefined ? undefined : String(tracestate) }
}

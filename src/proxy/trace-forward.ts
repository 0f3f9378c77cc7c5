import { toServerAttributes } from '../telemetry/tracing/server-attributes.ts'
import type { Span, Tracing } from '../telemetry/tracing/tracing.ts'
import type { Forward } from './forward.ts'
import type { ProxiedCall } from './proxied-call.ts'

/**
 * Returns the step that forwards calls with a span around each, which the upstream continues. The path is not
 * in it, because paths name users and their data; the route is.
 */
export function traceForward(forward: Forward, tracing: Tracing): Forward {
  if (!tracing.isOn) return forward
  return (call) =>
    tracing.inSpan(toSpanStart(call), async (span) => {
      await forward({
        ...call,
        traceContext: span.toContext(),
        onBrokenOff(reason) {
          span.fail(reason.code)
          call.onBrokenOff(reason)
        },
      })
      describeResponse(span, call)
    })
}

function toSpanStart({ req, target: { route } }: ProxiedCall) {
  const { method = 'GET' } = req
  const attributes = {
    'http.request.method': method,
    ...toServerAttributes(route.origin),
    'portico.proxy.route': route.name,
  }
  return { name: `${method} ${route.name}`, kind: 'client' as const, attributes }
}

/** What came of a call that was answered, or whose client has gone before. */
function describeResponse(span: Span, { res }: ProxiedCall): void {
  if (res.headersSent) span.set({ 'http.response.status_code': res.statusCode })
  else span.fail('client_gone')
  // Of a client's span, the refusals of the server count as errors.
  if (res.statusCode >= 400) span.fail(String(res.statusCode))
}

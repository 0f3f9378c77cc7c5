import { noObserver, type Observer } from '../observer.ts'
import { toServerAttributes } from './server-attributes.ts'
import type { Tracing } from './tracing.ts'

/**
 * Creates the observer that makes spans of what has taken time, as children of the span in which it was. What
 * is no part of a request gets none, such as the pings to Redis.
 */
export function createSpanObserver(tracing: Pick<Tracing, 'record'>): Observer {
  return {
    // Requests and calls of upstreams have spans that began before them. The steps of a login consist of
    // calls, which have their own.
    ...noObserver,
    providerCall({ provider, endpoint, method, origin, status, ...timing }) {
      const attributes = {
        'portico.provider': provider,
        'portico.endpoint': endpoint,
        'http.request.method': method,
        'http.response.status_code': status,
        ...toServerAttributes(origin),
      }
      tracing.record({ name: `provider ${endpoint}`, kind: 'client', attributes, ...timing })
    },
    storeCommand({ command, ...timing }) {
      const attributes = { 'db.system.name': 'redis', 'db.operation.name': command }
      tracing.record({ name: command, kind: 'client', attributes, ...timing })
    },
    tokenLock: (timing) => tracing.record({ name: 'token lock wait', ...timing }),
  }
}

import { noObserver, type Observer } from '../observer.ts'
import type { Tracing } from './tracing.ts'

/** Creates the observer that makes spans of what has taken time, as children of the span in which it was. */
export function createSpanObserver(tracing: Pick<Tracing, 'record'>): Observer {
  return {
    // Requests and calls of upstreams have spans of their own, which others need while they last.
    ...noObserver,
    providerCall({ provider, endpoint, ...timing }) {
      const attributes = { 'portico.provider': provider, 'portico.endpoint': endpoint }
      tracing.record({ name: `provider ${endpoint}`, kind: 'client', attributes, ...timing })
    },
    storeCommand({ command, ...timing }) {
      const attributes = { 'db.system.name': 'redis', 'db.operation.name': command }
      tracing.record({ name: command, kind: 'client', attributes, ...timing })
    },
    tokenLock: (timing) => tracing.record({ name: 'token lock wait', ...timing }),
    loginStep({ provider, step, ...timing }) {
      tracing.record({ name: `login ${step}`, attributes: { 'portico.provider': provider }, ...timing })
    },
  }
}

import type { Components } from './components.ts'
import { createSubjectHashes } from './crypto/subject-hash.ts'
import { createReadinessHandler, livez } from './http/machine-endpoints/health.ts'
import { createMetricsHandler } from './http/machine-endpoints/metrics.ts'
import { createDrainHandler } from './http/operator-endpoints/drain.ts'
import { createEventsHandler } from './http/operator-endpoints/events.ts'
import { createOperatorGuard } from './http/operator-endpoints/guard.ts'
import { createKeyListHandler, createKeyRotationHandler } from './http/operator-endpoints/keys.ts'
import { operatorPage } from './http/operator-endpoints/page/page.ts'
import { createOperatorSessionHandlers } from './http/operator-endpoints/sessions.ts'
import { createStatusHandler } from './http/operator-endpoints/status.ts'
import { createOperatorSessions } from './logout/operator.ts'

/** Creates the endpoints of the operator's port, under the names that `routes.ts` gives addresses. */
export function createOperatorEndpoints(components: Components) {
  const { metrics } = components
  return {
    metrics: metrics && createMetricsHandler(metrics),
    livez,
    readyz: createReadinessHandler(components),
    api: createOperatorApi(components),
  }
}

/** The operator API and its page; undefined without OPERATOR_SECRET. No events are kept then, either. */
function createOperatorApi(components: Components) {
  const { config, clock, lifecycle, keyRing, recentEvents } = components
  const secret = config.operator?.secret
  if (secret === undefined || recentEvents === undefined) return undefined
  const toHashes = createSubjectHashes(config.secrets)
  return {
    page: operatorPage,
    guard: createOperatorGuard(secret),
    status: createStatusHandler(components),
    sessions: createOperatorSessionHandlers(createOperatorSessions(components), clock),
    events: createEventsHandler({ recentEvents, toHashes, clock }),
    keys: createKeyListHandler(keyRing),
    rotateKeys: createKeyRotationHandler(keyRing),
    drain: createDrainHandler(lifecycle, true),
    stopDraining: createDrainHandler(lifecycle, false),
  }
}

import type { ListedKey } from '../app-token/key-ring.ts'
import type { Components } from '../components.ts'
import { checkReadiness } from '../http/machine-endpoints/health.ts'
import { createSessionCount } from '../session/session-count.ts'
import type { ServerState } from '../telemetry/metrics/gauges.ts'
import { readVersion } from '../telemetry/version.ts'

/** Milliseconds for which a count of sessions is shown: every replica is scraped, and counts by itself. */
const countFreshFor = 60_000

/** What the metrics show of the server at each scrape. */
export function toServerState(components: Components): ServerState {
  const { lifecycle, store, providers, keyRing, proxy, clock } = components
  return {
    version: readVersion(),
    isDraining: () => lifecycle.draining,
    isReady: async () => (await checkReadiness(components)).isReady,
    isStoreUp: () =>
      store.ping().then(
        () => true,
        () => false,
      ),
    countSessions: createSessionCount(store, countFreshFor),
    countPendingRevocations: () => store.countPendingRevocations(),
    openStreams: () => proxy.openCalls.streams(),
    providers: providers.all.map(({ name, isReady, breakers }) => ({
      name,
      isDiscovered: isReady,
      breakers: () =>
        Object.fromEntries(Object.entries(breakers).map(([breaker, { isOpen }]) => [breaker, isOpen()])),
    })),
    async signingKey() {
      const keys = await keyRing.list().catch((): ListedKey[] => [])
      const signing = keys.find(({ state }) => state === 'signing')
      const next = keys.find(({ state }) => state === 'next')
      const toSeconds = (from: number | undefined, to: number | undefined) =>
        from === undefined || to === undefined ? undefined : (to - from) / 1000
      const now = clock.now()
      return {
        isReadable: signing !== undefined,
        age: toSeconds(signing?.signsFrom, now),
        untilNext: toSeconds(now, next?.signsFrom),
      }
    },
  }
}

import type { Components } from './components.ts'
import { checkReadiness } from './http/machine-endpoints/health.ts'
import type { ServerState } from './telemetry/metrics/gauges.ts'
import { readVersion } from './telemetry/version.ts'

/** What the metrics show of the server at each scrape. */
export function toServerState(components: Components): ServerState {
  const { lifecycle, store, providers, keyRing, proxy, clock } = components
  return {
    version: readVersion(),
    isDraining: () => lifecycle.draining,
    isReady: async () => (await checkReadiness(components)).isReady,
    isStoreUp: () => succeeds(store.ping()),
    async countSessions() {
      let count = 0
      for await (const handles of store.listHandles()) count += handles.length
      return count
    },
    countPendingRevocations: () => store.countPendingRevocations(),
    openStreams: () => proxy.openCalls.streams(),
    providers: providers.all.map(({ name, isReady, breakers }) => ({
      name,
      isDiscovered: isReady,
      breakers: () =>
        Object.fromEntries(Object.entries(breakers).map(([breaker, { isOpen }]) => [breaker, isOpen()])),
    })),
    async signingKey() {
      const isReadable = await succeeds(keyRing.signingKey())
      const { signsFrom, nextFrom } = keyRing.schedule() ?? {}
      const secondsTo = (time: number | undefined) =>
        time === undefined ? undefined : (time - clock.now()) / 1000
      const since = secondsTo(signsFrom)
      return { isReadable, age: since && -since, untilNext: secondsTo(nextFrom) }
    },
  }
}

const succeeds = (attempt: Promise<unknown>): Promise<boolean> =>
  attempt.then(
    () => true,
    () => false,
  )

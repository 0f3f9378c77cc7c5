import { setTimeout as wait } from 'node:timers/promises'
import { Gauge, type Registry } from 'prom-client'
import { catalogue, type MetricDefinition, type NameOf } from './catalogue.ts'

/** The state of this server, which is asked at each scrape. */
export interface ServerState {
  version: string
  isDraining(): boolean
  isReady(): Promise<boolean>
  isStoreUp(): Promise<boolean>
  /** Of all replicas; it may take long. */
  countSessions(): Promise<number>
  /** Of all replicas. */
  countPendingRevocations(): Promise<number>
  openStreams(): number
  providers: readonly ProviderState[]
  signingKey(): Promise<SigningKeyState>
}

interface ProviderState {
  name: string
  isDiscovered(): boolean
  /** The kinds of calls that are stopped when they fail, and whether they are stopped now. */
  breakers(): Readonly<Record<string, boolean>>
}

/** The key that signs app tokens. Times are seconds; undefined where no other key will take its place. */
interface SigningKeyState {
  isReadable: boolean
  age?: number | undefined
  untilNext?: number | undefined
}

/** Milliseconds that a scrape waits for the number of sessions. */
const patience = 2_000

/** Makes gauges of the state. One that cannot be read has no value at that scrape, instead of an old one. */
export function createGauges(registry: Registry, state: ServerState): void {
  const countSessions = withPatience(state.countSessions)

  create('portico_build_info').set({ version: state.version, node: process.version }, 1)
  gauge('portico_ready', async () => Number(await state.isReady()))
  gauge('portico_draining', () => Number(state.isDraining()))
  gauge('portico_sessions_active', countSessions)
  gauge('portico_store_up', async () => Number(await state.isStoreUp()))
  gauge('portico_revocations_pending', state.countPendingRevocations)
  gauge('portico_proxy_open_streams', state.openStreams)
  gauge('portico_signing_key_age_seconds', async () => (await state.signingKey()).age)
  gauge('portico_signing_key_next_rotation_seconds', async () => (await state.signingKey()).untilNext)
  gauge('portico_signing_key_readable', async () => Number((await state.signingKey()).isReadable))
  ofProviders('portico_provider_discovered', (set, { name, isDiscovered }) =>
    set({ provider: name }, Number(isDiscovered())),
  )
  ofProviders('portico_provider_breaker_open', (set, { name, breakers }) => {
    for (const [breaker, isOpen] of Object.entries(breakers()))
      set({ provider: name, breaker }, Number(isOpen))
  })

  function create(name: NameOf<'gauge'>, collect?: (this: Gauge) => void | Promise<void>): Gauge {
    const { help, labels, merge: aggregator = 'sum' }: MetricDefinition = catalogue[name]
    const options = { name, help, labelNames: labels, registers: [registry], aggregator }
    return new Gauge(collect === undefined ? options : { ...options, collect })
  }

  function gauge(name: NameOf<'gauge'>, read: () => number | undefined | Promise<number | undefined>): void {
    create(name, async function () {
      const value = await attempt(read)
      if (value === undefined) this.remove()
      else this.set(value)
    })
  }

  function ofProviders(
    name: NameOf<'gauge'>,
    show: (set: (labels: Record<string, string>, value: number) => void, provider: ProviderState) => void,
  ): void {
    create(name, function () {
      for (const provider of state.providers) show((labels, value) => this.set(labels, value), provider)
    })
  }
}

/** What is read; undefined where that fails. */
async function attempt<T>(read: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch {
    return undefined
  }
}

/** Waits for a count as long as a scrape may take; after that, the one before is shown. */
function withPatience(count: () => Promise<number>): () => Promise<number | undefined> {
  let last: number | undefined
  return () => {
    const counted = count().then((value) => {
      last = value
      return value
    })
    return Promise.race([counted, wait(patience, undefined, { ref: false }).then(() => last)])
  }
}

import cluster from 'node:cluster'
import { createKeyRing, type KeyRing } from './app-token/key-ring.ts'
import { createAppTokenSigner, type SignAppToken } from './app-token/mint.ts'
import { createTokenClaimSelector, type SelectTokenClaims } from './app-token/token-claims.ts'
import { type Clock, systemClock } from './clock.ts'
import type { Config } from './config/config.ts'
import type { ProviderConfig } from './config/providers/provider-config.ts'
import { createSubjectHashes } from './crypto/subject-hash.ts'
import type { PorticoHooks } from './embedding/hooks.ts'
import { createRecentEvents, type RecentEvents } from './explain/recent-events.ts'
import { createLifecycle, type Lifecycle } from './lifecycle.ts'
import { createProvider } from './provider/provider.ts'
import { createProviders, type Providers } from './provider/providers.ts'
import { createForward, type Forward } from './proxy/forward.ts'
import { createOpenCalls, type OpenCalls } from './proxy/open-calls.ts'
import type { UpstreamTokens } from './proxy/tokens/upstream-token.ts'
import { createUpstreamTokens } from './proxy/tokens/upstream-tokens.ts'
import { traceForward } from './proxy/trace-forward.ts'
import { createUpstreams, type Upstreams } from './proxy/upstreams.ts'
import { createMemoryStore } from './session/memory/store.ts'
import { createTokenRefresher, type TokenRefresher } from './session/refresh/token-refresher.ts'
import type { Store } from './session/store.ts'
import {
  createSessionTermination,
  type SessionTermination,
} from './session/termination/session-termination.ts'
import { createSignOutNotices, type SignOutNotices } from './session/termination/sign-out-notices.ts'
import { createTokenRevocation, type TokenRevocation } from './session/termination/token-revocation.ts'
import { type AuditLog, openAuditLog } from './telemetry/audit/audit-log.ts'
import type { Log } from './telemetry/events.ts'
import { type EventSink, toOneObserver, withSinks } from './telemetry/fan-out.ts'
import { openLog } from './telemetry/logger.ts'
import type { Metrics } from './telemetry/metrics/metrics.ts'
import type { Observer } from './telemetry/observer.ts'
import { createStandardOutput } from './telemetry/standard-output.ts'
import { type ShowSubject, withSubjects } from './telemetry/subjects.ts'
import { createSpanObserver } from './telemetry/tracing/span-observer.ts'
import { noTracing, type Tracing } from './telemetry/tracing/tracing.ts'

/** The parts of a server that live as long as the process. */
export interface Components {
  config: Config
  clock: Clock
  log: Log
  /** Undefined where no audit stream is configured. */
  audit: AuditLog | undefined
  observer: Observer
  /** Undefined where there is no operator's port, by which they would be read. */
  metrics: Metrics | undefined
  tracing: Tracing
  store: Store
  providers: Providers
  termination: SessionTermination
  tokenRevocation: TokenRevocation
  tokenRefresher: TokenRefresher
  keyRing: KeyRing
  selectTokenClaims: SelectTokenClaims
  signAppToken: SignAppToken
  upstreamTokens: UpstreamTokens
  proxy: Proxy
  lifecycle: Lifecycle
  /** What a host app is asked, and what it hears; empty in a server of its own. */
  hooks: PorticoHooks
  signOutNotices: SignOutNotices
  /** Undefined where no operator can ask for them. */
  recentEvents: RecentEvents | undefined
}

/** What forwards calls to upstreams. */
interface Proxy {
  forward: Forward
  openCalls: OpenCalls
  upstreams: Upstreams
}

/**
 * Creates every component from the configuration; those in `replaced` are used as they are. A log there takes
 * the place of the one that writes lines.
 */
export async function createComponents(
  config: Config,
  replaced: Partial<Components> = {},
): Promise<Components> {
  const { clock = systemClock } = replaced
  const telemetry = await createTelemetry(config, clock, replaced)
  const { log, observer, tracing } = telemetry
  const { secrets, appToken, longestTimeout: timeout } = config
  const store = replaced.store ?? (await createStore(config, clock, log, observer))
  telemetry.recentEvents?.start(store, log)
  const providers = replaced.providers ?? createConfiguredProviders(config, clock, log, observer)
  const tokenRevocation = replaced.tokenRevocation ?? createTokenRevocation({ store, providers, log })
  const { hooks = {} } = replaced
  const signOutNotices = createSignOutNotices(hooks, log)
  const termination =
    replaced.termination ?? createSessionTermination({ store, tokenRevocation, log, notices: signOutNotices })
  const tokenRefresher =
    replaced.tokenRefresher ??
    createTokenRefresher({ store, termination, providers, clock, log, observer, tracing, timeout })
  const keyRing = replaced.keyRing ?? createKeyRing({ config: appToken, store, secrets, clock, log })
  const selectTokenClaims = replaced.selectTokenClaims ?? createTokenClaimSelector(config)
  const signAppToken =
    replaced.signAppToken ?? createAppTokenSigner({ config, selectTokenClaims, keyRing, clock })
  const upstreamTokens =
    replaced.upstreamTokens ??
    createUpstreamTokens({ config, tokenRefresher, providers, signAppToken, clock })
  const proxy = replaced.proxy ?? createProxy(config, store, upstreamTokens, { observer, tracing })
  const lifecycle = createLifecycle(config.workers > 1)
  return {
    config,
    clock,
    ...telemetry,
    store,
    providers,
    termination,
    tokenRevocation,
    tokenRefresher,
    keyRing,
    selectTokenClaims,
    signAppToken,
    upstreamTokens,
    proxy,
    lifecycle,
    hooks,
    signOutNotices,
  }
}

type Telemetry = Pick<Components, 'log' | 'audit' | 'observer' | 'metrics' | 'tracing' | 'recentEvents'>

/** Creates the log and whatever else is made of events, and what observes how long things take. */
async function createTelemetry(
  config: Config,
  clock: Clock,
  replaced: Partial<Components>,
): Promise<Telemetry> {
  // Metrics name the current trace, traces log what they lose, and the log counts in metrics: this one waits.
  let tracing = noTracing
  const traceId = () => tracing.current()?.traceId
  const metrics = replaced.metrics ?? (await createConfiguredMetrics(config, traceId))
  const recentEvents = createConfiguredRecentEvents(config, clock)
  const sinks = [metrics?.sink, recentEvents?.note].filter((sink) => sink !== undefined)
  const { log, audit } = await createConfiguredLog(config, sinks, replaced.log)
  tracing = replaced.tracing ?? (await createConfiguredTracing(config, clock, log))
  const observers = [metrics?.observer, tracing.isOn ? createSpanObserver(tracing) : undefined]
  const observer = replaced.observer ?? toOneObserver(observers.filter((observer) => observer !== undefined))
  return { log, audit, observer, metrics, tracing, recentEvents }
}

/** They can be read only with the operator's secret: without one, they are not kept. */
function createConfiguredRecentEvents({ operator, secrets }: Config, clock: Clock): RecentEvents | undefined {
  return operator?.secret === undefined ? undefined : createRecentEvents({ secrets, clock })
}

/** Metrics are kept only where there is a port to read them at; prom-client is loaded only there. */
async function createConfiguredMetrics(
  { operator, providers, workers }: Config,
  traceId: () => string | undefined,
): Promise<Metrics | undefined> {
  if (operator === undefined) return undefined
  const { createMetrics } = await import('./telemetry/metrics/metrics.ts')
  return createMetrics({ providers: providers.map(({ name }) => name), hasWorkers: workers > 1, traceId })
}

/** Loaded only where there are traces: the SDK is larger than all other modules together. */
async function createConfiguredTracing({ traces }: Config, clock: Clock, log: Log): Promise<Tracing> {
  if (traces === undefined) return noTracing
  const { createTracing } = await import('./telemetry/tracing/open-telemetry.ts')
  return createTracing({ ...traces, clock, log })
}

/** The log, and what else is made of its events; users are named as configured in all of it. */
async function createConfiguredLog(
  { log: { level, format, subject, audit: target }, secrets }: Config,
  sinks: readonly EventSink[],
  replaced: Log | undefined,
): Promise<Pick<Components, 'log' | 'audit'>> {
  const standardOutput = createStandardOutput()
  const { write } = standardOutput
  const written = replaced ?? (await openLog({ level, format, write, worker: cluster.worker?.id }))
  const audit =
    target === undefined
      ? undefined
      : openAuditLog({
          target,
          standardOutput,
          subject: subject === 'plain' ? 'plain' : 'hash',
          log: (event, fields) => log(event, fields),
        })
  const all = withSinks(written, audit === undefined ? sinks : [audit.sink, ...sinks])
  const log = withSubjects(all, createShowSubject(subject, secrets))
  return { audit, log }
}

function createShowSubject(kind: Config['log']['subject'], secrets: Config['secrets']): ShowSubject {
  if (kind === 'plain') return (sub) => sub
  if (kind === 'none') return () => undefined
  const hashes = createSubjectHashes(secrets)
  return (sub) => hashes(sub)[0]
}

async function createStore(config: Config, clock: Clock, log: Log, observer: Observer): Promise<Store> {
  const { redis, secrets, session: lifetimes } = config
  if (redis === undefined) return createMemoryStore({ clock, lifetimes })
  // Loaded only where it is used: node-redis is a third of all modules.
  const { createRedisConnection } = await import('./session/redis/connection/connection.ts')
  const { createRedisStore } = await import('./session/redis/store.ts')
  const connection = createRedisConnection(redis, log, observer)
  return createRedisStore({ connection, secrets, lifetimes, clock, log })
}

function createConfiguredProviders(config: Config, clock: Clock, log: Log, observer: Observer): Providers {
  const { secrets } = config
  const create = (one: ProviderConfig) => createProvider({ config: one, secrets, clock, log, observer })
  const [first, ...others] = config.providers
  return createProviders([create(first), ...others.map(create)])
}

function createProxy(
  config: Config,
  store: Store,
  tokens: UpstreamTokens,
  { observer, tracing }: Pick<Components, 'observer' | 'tracing'>,
): Proxy {
  const upstreams = createUpstreams(config.proxyRoutes, config)
  const openCalls = createOpenCalls(store)
  const forward = traceForward(createForward({ upstreams, tokens, openCalls, observer }), tracing)
  return { forward, openCalls, upstreams }
}

import { setTimeout as delay } from 'node:timers/promises'
import { hours } from '../clock.ts'
import { percentile } from '../latencies.ts'
import { testSecret } from '../portico.ts'
import { type RollingFleet, startRollingFleet } from './rolling-fleet.ts'
import { type Act, createVisitors, type Failure, type Visitors } from './visitors.ts'

/** What is done, and how much of it. */
export interface RollingPlan {
  /** Rolling restarts; in each, all three processes are replaced. */
  rounds: number
  /** Requests over all rounds, at least. */
  requests: number
  /** Acts a second, whether earlier ones are answered or not. */
  rate: number
  visitors: number
  /** SHUTDOWN_DRAIN. */
  drain: string
  /** Milliseconds after the first login at which another key starts to sign app tokens. */
  newKeyAfter: number
}

export interface RollingReport {
  requests: number
  failures: readonly Failure[]
  /** How many of each. */
  counts: Record<string, number>
  restarts: number
  seconds: number
  refreshes: number
  logins: number
  /** Keys that signed app tokens. */
  keys: number
  /** Lines of BFF_SECRETS that were in effect one after the other. */
  secretSteps: number
  /** Requests that HAProxy sent again because no connection could be opened. */
  retries: number
  /** The events that went wrong in the servers' logs, and how often. */
  events: Record<string, number>
  /** Milliseconds. */
  latency: { median: number; p99: number; max: number }
}

/** Fifty acts, mixed as evenly as their numbers allow. */
const mix: readonly Act[] = spread({
  check: 18,
  token: 8,
  'proxied-get': 9,
  'proxied-post': 5,
  'proxied-slow': 1,
  'forward-auth': 6,
  keys: 2,
  'sign-out-and-in': 1,
})

function spread(numbers: Record<Act, number>): Act[] {
  return (Object.entries(numbers) as [Act, number][])
    .flatMap(([act, count]) =>
      Array.from({ length: count }, (_, index) => ({ act, at: (index + 0.5) / count })),
    )
    .sort((a, b) => a.at - b.at)
    .map(({ act }) => act)
}

/** Replaces all processes again and again under an open load, and reports what became of each request. */
export async function runRollingRestarts(
  plan: RollingPlan,
  report: (text: string) => void = () => {},
): Promise<RollingReport> {
  const secrets = createSecretSteps()
  const fleet = await startRollingFleet({
    env: {
      BFF_SECRETS: secrets.current(),
      SHUTDOWN_DRAIN: plan.drain,
      TRUST_PROXY: '127.0.0.1',
      APP_TOKEN_ROTATION: '1h',
      // A late answer of the provider is not a failed one.
      OIDC_TIMEOUT: '30s',
    },
    // Access tokens that expire again and again meanwhile.
    provider: { LIFETIME: '15' },
  })
  try {
    // From now on, each process has a clock that is nearly an hour ahead: the time of the first key is nearly over.
    const ahead = hours(1) - plan.newKeyAfter
    await fleet.proxied.fleet.advance(ahead)
    const visitors = createVisitors(fleet.url, { now: () => Date.now() + ahead })
    await visitors.arrive(plan.visitors)
    const before = await fleet.proxied.fleet.provider()
    const startedAt = performance.now()
    const load = startOpenLoad(plan.rate, visitors)
    await restartAll(plan, fleet, visitors, secrets, report)
    while (seenBy(visitors) < plan.requests) await delay(50)
    await load.end()
    const after = await fleet.proxied.fleet.provider()
    const { requests, failures, counts, latencies } = visitors
    return {
      requests,
      failures,
      counts: Object.fromEntries(counts),
      restarts: plan.rounds * 3,
      seconds: (performance.now() - startedAt) / 1000,
      refreshes: after.refreshes - before.refreshes,
      logins: after.codes - before.codes,
      keys: visitors.keys.size,
      secretSteps: secrets.taken(),
      retries: await fleet.retries(),
      events: fleet.badEvents(),
      latency: {
        median: percentile(latencies, 0.5),
        p99: percentile(latencies, 0.99),
        max: Math.max(...latencies),
      },
    }
  } finally {
    await fleet.close()
  }
}

/** Requests, and acts that failed before they were one: where everything fails, the run still ends. */
const seenBy = ({ requests, failures }: Visitors) => requests + failures.length

/** The rounds begin as the requests come, so that they are spread over all of them. */
async function restartAll(
  { rounds, requests }: RollingPlan,
  fleet: RollingFleet,
  visitors: Visitors,
  secrets: SecretSteps,
  report: (text: string) => void,
): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    while (seenBy(visitors) < (requests / rounds) * round) await delay(20)
    const step = secrets.next(visitors)
    await fleet.restart({ BFF_SECRETS: step })
    secrets.done()
    report(
      `round ${round + 1}: ${visitors.requests} requests, ${visitors.failures.length} failed, ` +
        `${step.split(',').length} secrets`,
    )
  }
}

/** BFF_SECRETS over the rounds: `old,new`, then `new,old`, then, once no session is older than that, `new`. */
interface SecretSteps {
  current(): string
  /** The value of the next round; the same as before while sessions of the old secret live. */
  next(visitors: Visitors): string
  /** All processes have the value. */
  done(): void
  taken(): number
}

function createSecretSteps(): SecretSteps {
  let ring = [testSecret()]
  /** Whether the ring begins with its newest secret. */
  let isTurned = false
  /** When all processes had the ring that is in effect; undefined until they have. */
  let since: number | undefined
  let steps = 0
  return {
    current: () => ring.join(),
    next(visitors) {
      const [first = '', second] = ring
      if (second === undefined) {
        ring = [first, testSecret()]
        isTurned = false
      } else if (!isTurned) {
        ring = [second, first]
        isTurned = true
      } else if (since !== undefined && visitors.allSince(since)) ring = [first]
      else return ring.join()
      since = undefined
      steps += 1
      return ring.join()
    },
    done() {
      since ??= performance.now()
    },
    taken: () => steps,
  }
}

interface OpenLoad {
  /** Sends nothing more; resolves when everything that was sent is answered. */
  end(): Promise<void>
}

/** Does one act after the other at a steady rate, whether earlier ones are answered or not. */
function startOpenLoad(rate: number, visitors: Visitors): OpenLoad {
  const startedAt = performance.now()
  const inFlight = new Set<Promise<void>>()
  let due = 0
  const timer = setInterval(() => {
    for (const until = ((performance.now() - startedAt) * rate) / 1000; due < until; due += 1) {
      const act = mix[due % mix.length] ?? 'check'
      const done = visitors.act(act).finally(() => inFlight.delete(done))
      inFlight.add(done)
    }
  }, 2)
  return {
    async end() {
      clearInterval(timer)
      await Promise.all(inFlight)
    },
  }
}

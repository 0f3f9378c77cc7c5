import { AppError } from '../errors.ts'
import { ProviderUnavailable } from '../provider/provider-unavailable.ts'
import type { Providers } from '../provider/providers.ts'
import type { Log } from '../telemetry/logger.ts'
import type { Remains } from './session.ts'
import { toProviderSidGroup } from './session-groups.ts'
import type { SessionStore } from './store.ts'

/** Tells providers that the refresh tokens of ended sessions are worth nothing any more (RFC 7009). */
export interface Revocations {
  /** Revokes what a session left, beside whatever the caller does. What fails is tried again by `sweep`. */
  revoke(remains: Remains): void
  /** Revokes what is left over: by calls that failed, and by processes that died. Never rejects. */
  sweep(): Promise<void>
  /** Sweeps now and then from now on. */
  start(): void
  /** Starts no more sweeps; resolves once no call is under way. */
  stop(): Promise<void>
}

interface RevocationsOptions {
  store: Pick<SessionStore, 'claimRemains' | 'readRemains' | 'forgetRemains' | 'find'>
  providers: Pick<Providers, 'findOrigin'>
  log: Log
}

/** Milliseconds between two sweeps of one replica. */
const sweepEvery = 2_000
/** Milliseconds before anybody tries again what failed. */
const retryPause = 60_000
/** Sessions that one sweep takes care of at once. */
const batch = 20

/** Creates the revocations of this process; replicas share the work through the store. */
export function createRevocations({ store, providers, log }: RevocationsOptions): Revocations {
  const inFlight = new Set<Promise<unknown>>()
  let timer: NodeJS.Timeout | undefined
  let isSweeping = false

  function track<T>(work: Promise<T>): Promise<T> {
    const tracked = work.finally(() => inFlight.delete(tracked))
    inFlight.add(tracked)
    return tracked
  }

  /** Revokes the tokens of the sessions that one had replaced; false where something is left to do. */
  async function revokeReplaced(handles: readonly string[]): Promise<boolean> {
    const found = await Promise.all(handles.map((handle) => store.readRemains(handle)))
    const outcomes = await Promise.all(found.map((remains) => remains === undefined || attempt(remains)))
    return !outcomes.includes(false)
  }

  /** Whether nothing is left to do. */
  async function attempt({ handle, version, identity, tokens, replaced }: Remains): Promise<boolean> {
    // Another replica may know a provider that this one does not, in the middle of a rolling restart.
    const provider = providers.findOrigin(identity)
    if (provider === undefined) return false
    try {
      const outcome = await provider.revoke(tokens)
      if (outcome === 'revoked') log('refresh_token_revoked', { session: handle })
      if (!(await revokeReplaced(replaced))) return false
      await store.forgetRemains(handle, version)
      return true
    } catch (error) {
      // That the provider does not answer was told when it was asked.
      const isNews = !(error instanceof ProviderUnavailable && error.outage === 'unasked')
      if (isNews) log('revocation_failed', { session: handle, reason: toReason(error) })
      return false
    }
  }

  /**
   * Who signed in again by the same session at the provider has another refresh token now, which many providers would end
   * as well. Nobody holds the old one.
   */
  async function isSignedInAgain({ identity: { issuer, providerSid } }: Remains): Promise<boolean> {
    if (providerSid === undefined) return false
    return (await store.find(toProviderSidGroup(issuer, providerSid))).length > 0
  }

  async function lookAfter(handle: string): Promise<boolean> {
    const remains = await store.readRemains(handle)
    if (remains !== undefined && !(await isSignedInAgain(remains))) return attempt(remains)
    // Revoked before its entry was dropped, too long ago, or better left alone.
    await store.forgetRemains(handle, remains?.version ?? 0)
    return true
  }

  async function sweepAll(): Promise<void> {
    for (;;) {
      const handles = await store.claimRemains(batch, retryPause)
      const [first, ...others] = handles
      if (first === undefined) return
      // A provider that was down takes one call as a trial, and the others after it.
      const outcomes = [await lookAfter(first), ...(await Promise.all(others.map(lookAfter)))]
      // One that is down still is not asked for every session there is.
      if (handles.length < batch || !outcomes.includes(true)) return
    }
  }

  /** The store tells of its own outages. */
  async function sweep(): Promise<void> {
    if (isSweeping) return
    isSweeping = true
    await track(sweepAll()).catch(() => {})
    isSweeping = false
  }

  return {
    revoke: (remains) => void track(attempt(remains)),
    sweep,
    start() {
      timer = setInterval(() => void sweep(), sweepEvery).unref()
    },
    async stop() {
      clearInterval(timer)
      await Promise.allSettled(inFlight)
    },
  }
}

function toReason(error: unknown): string {
  return error instanceof AppError ? (error.reason ?? error.code) : 'internal_error'
}

import { AppError } from '../../errors.ts'
import type { Providers } from '../../provider/providers.ts'
import { ProviderUnavailable } from '../../provider/transport/unavailable.ts'
import type { Log } from '../../telemetry/logger.ts'
import { type PendingRevocation, type RefreshToken, toRefreshTokens } from '../session.ts'
import { toProviderSidGroup } from '../session-groups.ts'
import type { SessionStore } from '../store.ts'

/** Tells providers that the refresh tokens of ended sessions are worth nothing any more (RFC 7009). */
export interface TokenRevocation {
  /** Revokes what a session left, beside whatever the caller does. What fails is tried again by `sweep`. */
  revoke(pendingRevocation: PendingRevocation): void
  /** Revokes what is left over: by calls that failed, and by processes that died. Never rejects. */
  sweep(): Promise<void>
  /** Sweeps now and then from now on. */
  start(): void
  /** Starts no more sweeps; resolves once no call is under way. */
  stop(): Promise<void>
}

interface TokenRevocationOptions {
  store: Pick<SessionStore, 'takeDueRevocations' | 'readPendingRevocation' | 'completeRevocation' | 'find'>
  providers: Pick<Providers, 'findConfigured'>
  log: Log
}

/** Milliseconds between two sweeps of one replica. */
const sweepEvery = 2_000
/** Milliseconds before anybody tries again what failed. */
const retryPause = 60_000
/** Sessions that one sweep takes care of at once. */
const batch = 20

/** Creates the revocations of this process; replicas share the work through the store. */
export function createTokenRevocation({ store, providers, log }: TokenRevocationOptions): TokenRevocation {
  const inFlight = new Set<Promise<unknown>>()
  let timer: NodeJS.Timeout | undefined
  let isSweeping = false

  function track<T>(work: Promise<T>): Promise<T> {
    const tracked = work.finally(() => inFlight.delete(tracked))
    inFlight.add(tracked)
    return tracked
  }

  /** Whether nothing is left to do. */
  async function attempt(
    { handle, version, ...session }: PendingRevocation,
    tokens: readonly RefreshToken[] = toRefreshTokens(session),
  ): Promise<boolean> {
    try {
      for (const token of tokens) {
        // Another replica may know a provider that this one does not, in the middle of a rolling restart.
        const provider = providers.findConfigured(token)
        if (provider === undefined) return false
        const outcome = await provider.revoke(token)
        if (outcome === 'revoked') log('refresh_token_revoked', { session: handle })
      }
      await store.completeRevocation(handle, version)
      return true
    } catch (error) {
      // That the provider does not answer was told when it was asked.
      const isNews = !(error instanceof ProviderUnavailable && error.outage === 'breaker-open')
      if (isNews) log('revocation_failed', { session: handle, reason: toReason(error) })
      return false
    }
  }

  /**
   * A person who signed in again by the same session at the provider has another refresh token now, which many providers
   * would end as well. The old one is held by no one else.
   */
  async function isSignedInAgain({ issuer, providerSid }: RefreshToken): Promise<boolean> {
    if (providerSid === undefined) return false
    return (await store.find(toProviderSidGroup(issuer, providerSid))).length > 0
  }

  async function lookAfter(handle: string): Promise<boolean> {
    const pendingRevocation = await store.readPendingRevocation(handle)
    // Revoked before its entry was dropped, or too long ago.
    if (pendingRevocation === undefined) {
      await store.completeRevocation(handle, 0)
      return true
    }
    const tokens = toRefreshTokens(pendingRevocation)
    const isBetterLeft = await Promise.all(tokens.map(isSignedInAgain))
    return attempt(
      pendingRevocation,
      tokens.filter((_token, index) => !isBetterLeft[index]),
    )
  }

  async function sweepAll(): Promise<void> {
    for (;;) {
      const handles = await store.takeDueRevocations(batch, retryPause)
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
    revoke: (pendingRevocation) => void track(attempt(pendingRevocation)),
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

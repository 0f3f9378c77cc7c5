import { toLogReason } from '../../errors.ts'
import type { Providers } from '../../provider/providers.ts'
import { ProviderUnavailable } from '../../provider/transport/unavailable.ts'
import type { Log } from '../../telemetry/events.ts'
import { type NewSession, type PendingRevocation, type RefreshToken, toRefreshTokens } from '../session.ts'
import { toProviderSidGroup } from '../session-groups.ts'
import type { SessionStore } from '../store.ts'

/** Revokes the refresh tokens of ended sessions at their providers (RFC 7009). */
export interface TokenRevocation {
  /** Revokes the tokens of an ended session in the background. What fails is tried again by `revokeDue`. */
  revoke(pendingRevocation: PendingRevocation): void
  /**
   * Revokes the tokens of a login that got no session, in the background. The store does not have them: what
   * fails is only logged.
   */
  revokeUnused(login: NewSession): void
  /** Revokes the tokens that failed calls and crashed replicas left in the store. Never rejects. */
  revokeDue(): Promise<void>
  /** Calls `revokeDue` at regular intervals from now on. */
  start(): void
  /** Stops the regular calls; resolves once no revocation is in progress. */
  stop(): Promise<void>
}

interface TokenRevocationOptions {
  store: Pick<
    SessionStore,
    'takeDueRevocations' | 'readPendingRevocation' | 'completeRevocation' | 'findByGroup'
  >
  providers: Pick<Providers, 'findConfigured'>
  log: Log
}

/** Milliseconds between two calls of `revokeDue` by one replica. */
const interval = 2_000
/** Milliseconds before any replica tries a failed revocation again. */
const retryPause = 60_000
/** Sessions whose tokens are revoked at once. */
const batchSize = 20

/** Creates the token revocation of this process; the replicas share the work through the store. */
export function createTokenRevocation({ store, providers, log }: TokenRevocationOptions): TokenRevocation {
  const inFlight = new Set<Promise<unknown>>()
  let timer: NodeJS.Timeout | undefined
  let isRunning = false

  return {
    revoke: (pendingRevocation) => void track(tryToRevoke(pendingRevocation)),
    revokeUnused: (login) => void track(tryToRevoke(login)),
    revokeDue,
    start() {
      timer = setInterval(() => void revokeDue(), interval).unref()
    },
    async stop() {
      clearInterval(timer)
      await Promise.allSettled(inFlight)
    },
  }

  /** Errors are ignored here: the store logs its own outages. */
  async function revokeDue(): Promise<void> {
    if (isRunning) return
    isRunning = true
    await track(revokeInBatches()).catch(() => {})
    isRunning = false
  }

  async function revokeInBatches(): Promise<void> {
    for (;;) {
      const handles = await store.takeDueRevocations(batchSize, retryPause)
      const [first, ...others] = handles
      if (first === undefined) return
      // After an outage, the provider's circuit breaker lets one call through as a trial before the others.
      const outcomes = [await retry(first), ...(await Promise.all(others.map(retry)))]
      // A provider that is still down is not called for every session in the store.
      if (handles.length < batchSize || !outcomes.includes(true)) return
    }
  }

  /** Revokes what an ended session still has in the store; returns whether nothing is left to do. */
  async function retry(handle: string): Promise<boolean> {
    const pendingRevocation = await store.readPendingRevocation(handle)
    // Already revoked, or expired.
    if (pendingRevocation === undefined) {
      await store.completeRevocation(handle, 0)
      return true
    }
    const tokens = toRefreshTokens(pendingRevocation)
    const areInUse = await Promise.all(tokens.map(isSignedInAgain))
    return tryToRevoke(
      pendingRevocation,
      tokens.filter((_token, position) => !areInUse[position]),
    )
  }

  /**
   * Revokes refresh tokens, those of the session or login by default; returns whether nothing is left to do.
   */
  async function tryToRevoke(
    { handle, version, ...session }: NewSession & Partial<PendingRevocation>,
    tokens: readonly RefreshToken[] = toRefreshTokens(session),
  ): Promise<boolean> {
    // Tokens that the session has inherited may be of another provider.
    let called = session.identity.providerName
    try {
      for (const token of tokens) {
        // During a rolling restart, another replica may have a provider that this one does not.
        const provider = providers.findConfigured(token)
        if (provider === undefined) return false
        called = token.providerName
        const outcome = await provider.revoke(token)
        if (outcome === 'revoked') log('refresh_token_revoked', { provider: called, session: handle })
      }
      if (handle !== undefined && version !== undefined) await store.completeRevocation(handle, version)
      return true
    } catch (error) {
      // With an open circuit breaker no call was made, and the outage is already logged.
      const isLogged = error instanceof ProviderUnavailable && error.outage === 'breaker-open'
      if (!isLogged) {
        const reason = toLogReason(error, 'internal_error')
        log('revocation_failed', { provider: called, session: handle, reason })
      }
      return false
    }
  }

  /**
   * Whether the user has signed in again by the same session at the provider. Many providers would end the
   * new refresh token with the old one, which only this server has.
   */
  async function isSignedInAgain({ issuer, providerSid }: RefreshToken): Promise<boolean> {
    if (providerSid === undefined) return false
    return (await store.findByGroup(toProviderSidGroup(issuer, providerSid))).length > 0
  }

  function track<T>(work: Promise<T>): Promise<T> {
    const tracked = work.finally(() => inFlight.delete(tracked))
    inFlight.add(tracked)
    return tracked
  }
}

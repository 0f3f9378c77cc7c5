import type { Clock } from '../../clock.ts'
import type { TokenChoice } from '../../config/proxy/proxy-route.ts'
import { AppError } from '../../errors.ts'
import { refusalPause } from '../../session/refresh/refresh-timing.ts'
import { toLastUse } from '../../session/refresh/token-freshness.ts'
import type { Session } from '../../session/session.ts'

/** When a token was made, and when it expires, in milliseconds since the epoch. */
export interface TokenTimes {
  readonly obtainedAt: number
  readonly expiresAt: number
}

/**
 * Tokens that are made for upstreams, in the memory of this process, each until shortly before it expires. A
 * refusal is kept as well, for a moment: the provider would repeat it for each call.
 */
export interface TokenCache<T extends TokenTimes> {
  /** @throws AppError where it was refused a moment ago */
  find(session: Session, choice: TokenChoice): T | undefined
  /** Makes a token and keeps it; calls at the same time share one. */
  make(session: Session, choice: TokenChoice, make: () => Promise<T>): Promise<T>
  drop(session: Session, choice: TokenChoice): void
  /** Number of entries, including expired ones that are not removed yet. */
  size(): number
}

/** A token takes one or two kilobytes. */
const defaultCapacity = 20_000

type Entry<T> = { until: number } & (
  | { token: T; refusal?: undefined }
  | { token?: undefined; refusal: AppError }
)

/** Creates the cache. */
export function createTokenCache<T extends TokenTimes>(
  clock: Clock,
  capacity = defaultCapacity,
): TokenCache<T> {
  const entries = new Map<string, Entry<T>>()
  const inFlight = new Map<string, Promise<T>>()

  return {
    find(session, choice) {
      const entry = entries.get(toKey(session, choice))
      if (entry === undefined || entry.until <= clock.now()) return undefined
      if (entry.refusal !== undefined) throw entry.refusal
      return entry.token
    },
    make(session, choice, make) {
      const key = toKey(session, choice)
      const running = inFlight.get(key)
      if (running !== undefined) return running
      const started = make()
        .then(
          (token) => {
            keep(key, { token, until: toLastUse(token.obtainedAt, token.expiresAt) })
            return token
          },
          (error: unknown) => {
            if (isRefusal(error)) keep(key, { refusal: error, until: clock.now() + refusalPause })
            throw error
          },
        )
        .finally(() => inFlight.delete(key))
      inFlight.set(key, started)
      return started
    },
    drop: (session, choice) => void entries.delete(toKey(session, choice)),
    size: () => entries.size,
  }

  /** The oldest entries make room: those that are of no use any more, and one where there are too many. */
  function keep(key: string, entry: Entry<T>): void {
    const now = clock.now()
    entries.delete(key)
    for (const [oldest, { until }] of entries) {
      if (until > now && entries.size < capacity) break
      entries.delete(oldest)
    }
    entries.set(key, entry)
  }
}

/** Whether the provider answered, and the next try will hardly change it. */
const isRefusal = (error: unknown): error is AppError =>
  error instanceof AppError && (error.code === 'provider_error' || error.code === 'invalid_token_response')

/** What a token depends on: a refresh changes the user's groups and scopes, and what is exchanged. */
const toKey = ({ handle, tokensVersion }: Session, { audience, scopes }: TokenChoice): string =>
  JSON.stringify([handle, tokensVersion, audience, scopes])

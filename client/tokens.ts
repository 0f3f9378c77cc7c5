import type { Call } from './call.ts'
import { type Moment, now, secondsSince } from './clock.ts'
import type { PorticoError } from './errors.ts'
import type { GetDpopKey } from './lazy-key.ts'
import type { SharedToken, Tabs } from './tabs.ts'
import type { TokenOptions } from './types.ts'

/** A token in this tab's memory. */
export interface HeldToken extends SharedToken {
  obtainedAt: Moment
}

/** The app tokens of this tab. They are in memory only. */
export interface Tokens {
  /**
   * Returns a token that is valid for a while.
   *
   * @throws PorticoError
   */
  get(options?: TokenOptions): Promise<HeldToken>
  /** Keeps a token that came without being asked for: with the callback, or from another tab. */
  keep(token: SharedToken, name?: string): void
  /** Seconds until the token without options is to be renewed; infinite where there is none. */
  renewalDue(): number
  /** Seconds until the token without options expires; 0 where there is none. */
  remaining(): number
  forget(): void
}

interface TokensOptions {
  call: Call
  getKey: GetDpopKey | undefined
  tabs: Tabs
  /** Checks that a new token belongs to the user whom the page shows, and takes note of its session. */
  accept(token: SharedToken): Promise<void>
  onFailure(error: PorticoError): void
}

/** Milliseconds to wait for the token of a tab whose turn it was. */
const patience = 200

const toName = ({ audience = '', scope = '' }: TokenOptions) => `${audience} ${scope}`
const defaultName = toName({})

/** Creates the tokens of this tab. */
export function createTokens({ call, getKey, tabs, accept, onFailure }: TokensOptions): Tokens {
  const held = new Map<string, HeldToken>()
  const running = new Map<string, Promise<HeldToken>>()
  const arrivals = new Set<() => void>()

  const remaining = (token: HeldToken) => token.expires_in - secondsSince(token.obtainedAt)
  /** Seconds until a token is to be renewed: half a minute before it expires, sooner if it is short-lived. */
  const due = (token: HeldToken) => remaining(token) - Math.min(30, token.expires_in / 4)

  function keep(token: SharedToken, name = defaultName): HeldToken {
    const kept = { ...token, obtainedAt: now() }
    held.set(name, kept)
    for (const arrived of arrivals) arrived()
    return kept
  }

  const nextArrival = () =>
    new Promise<void>((resolve) => {
      const arrived = () => {
        arrivals.delete(arrived)
        resolve()
      }
      arrivals.add(arrived)
      setTimeout(arrived, patience)
    })

  /** Asks the server, in turn with the other tabs: the token of the one before may do. */
  function renew(name: string, { scope, audience }: TokenOptions): Promise<HeldToken> {
    const before = held.get(name)
    const findNew = () => {
      const token = held.get(name)
      return token !== before && token && due(token) > 0 ? token : undefined
    }
    return tabs.inTurn(name, async (waited) => {
      if (waited && !findNew()) await nextArrival()
      const shared = findNew()
      if (shared) return shared
      const token = await call<SharedToken>('token', { method: 'POST', body: { scope, audience }, getKey })
      await accept(token)
      const kept = keep(token, name)
      tabs.post({ type: 'token', name, token })
      return kept
    })
  }

  return {
    async get(options = {}) {
      const name = toName(options)
      const token = held.get(name)
      if (token && !options.fresh && due(token) > 0) return token
      let renewal = running.get(name)
      if (!renewal) {
        renewal = renew(name, options)
          .catch((error: PorticoError) => {
            onFailure(error)
            throw error
          })
          .finally(() => running.delete(name))
        running.set(name, renewal)
      }
      return renewal.catch((error: unknown) => {
        // Better a token for its last seconds than none. If the session has ended, it was forgotten.
        if (token && held.get(name) === token && !options.fresh && remaining(token) > 5) return token
        throw error
      })
    },

    keep: (token, name) => void keep(token, name),

    renewalDue() {
      const token = held.get(defaultName)
      return token ? due(token) : Number.POSITIVE_INFINITY
    },

    remaining() {
      const token = held.get(defaultName)
      return token ? Math.max(0, remaining(token)) : 0
    },

    forget: () => held.clear(),
  }
}

import { type Moment, now, secondsSince } from '../clock.ts'
import type { PorticoError } from '../errors.ts'
import type { Session } from '../session/session.ts'
import type { StateStore } from '../session/state-store.ts'
import type { SharedToken, Tabs } from '../tabs.ts'
import type { PorticoUser, TokenOptions } from '../types.ts'
import type { GetDpopKey } from './lazy-key.ts'

/** A token in this tab's memory. */
export interface HeldToken extends SharedToken {
  obtainedAt: Moment
}

/** The app tokens of this tab. They are in memory only, and count for the session that brought them. */
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
  /** Whether the token without options has expired, because it could not be renewed. */
  isExpired(): boolean
}

interface TokensOptions<User extends PorticoUser> {
  session: Pick<Session<User>, 'call' | 'accept' | 'doubt'>
  store: StateStore<User>
  getKey: GetDpopKey | undefined
  tabs: Tabs
  /** A token is kept: there is a time at which to renew it. */
  onKept(): void
}

/** Milliseconds to wait for the token of a tab whose turn it was. */
const patience = 200

const toName = ({ audience = '', scope = '' }: TokenOptions) => `${audience} ${scope}`
const defaultName = toName({})

/** Creates the tokens of this tab. */
export function createTokens<User extends PorticoUser>({
  session,
  store,
  getKey,
  tabs,
  onKept,
}: TokensOptions<User>): Tokens {
  const held = new Map<string, HeldToken>()
  const running = new Map<string, Promise<HeldToken>>()
  let onArrival = () => {}

  const remaining = (token: HeldToken) => token.expires_in - secondsSince(token.obtainedAt)
  /** Seconds until a token is to be renewed: half a minute before it expires, sooner if it is short-lived. */
  const due = (token: HeldToken) => remaining(token) - Math.min(30, token.expires_in / 4)

  function find(name: string): HeldToken | undefined {
    const token = held.get(name)
    return token?.session.id === store.get().session?.id ? token : undefined
  }

  function keep(token: SharedToken, name = defaultName): HeldToken {
    const kept = { ...token, obtainedAt: now() }
    held.set(name, kept)
    onArrival()
    onKept()
    return kept
  }

  const nextArrival = () =>
    new Promise<void>((resolve) => {
      onArrival = resolve
      setTimeout(resolve, patience)
    })

  /** Asks the server, in turn with the other tabs: the token of the one before may do. */
  function renew(name: string, { scope, audience }: TokenOptions): Promise<HeldToken> {
    const before = find(name)
    const findNew = () => {
      const token = find(name)
      return token && token !== before && due(token) > 0 ? token : undefined
    }
    return tabs.inTurn(name, async (waited) => {
      if (waited && !findNew()) await nextArrival()
      const shared = findNew()
      if (shared) return shared
      const body = { scope, audience }
      const token = await session.call<SharedToken>('token', { method: 'POST', body, has: 'token', getKey })
      await session.accept(token)
      tabs.post({ type: 'token', name, token })
      return keep(token, name)
    })
  }

  return {
    async get(options = {}) {
      const name = toName(options)
      const token = find(name)
      if (token && !options.fresh && due(token) > 0) return token
      let renewal = running.get(name)
      if (!renewal) {
        renewal = renew(name, options)
          .catch((error: PorticoError) => {
            session.doubt(error)
            store.emit('renew-failed', { error })
            throw error
          })
          .finally(() => running.delete(name))
        running.set(name, renewal)
      }
      return renewal.catch((error: unknown) => {
        // Better a token for its last seconds than none, unless the session has ended.
        if (token && find(name) === token && !options.fresh && remaining(token) > 5) return token
        throw error
      })
    },

    keep,

    renewalDue() {
      const token = find(defaultName)
      return token ? due(token) : Number.POSITIVE_INFINITY
    },

    isExpired() {
      const token = find(defaultName)
      return token !== undefined && remaining(token) <= 0
    },
  }
}

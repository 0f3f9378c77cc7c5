import type { PorticoError } from './errors.ts'

/** Where Portico and the APIs are, and how the app signs in. */
export interface PorticoOptions {
  /**
   * Portico's address (PUBLIC_URL), such as `https://auth.example.com`, `https://app.example.com/shop` or
   * `/shop`; the page's own origin by default.
   */
  url?: string
  /** Where Portico's addresses begin below `url` (API_PREFIX), such as `/auth`; `/api` by default. */
  apiPrefix?: string
  /**
   * The origins of the APIs that may receive the app token, such as `https://api.example.com`; `self` is the
   * page's own. `fetch` sends the token nowhere else.
   */
  apiOrigins: readonly string[]
  /**
   * The path of the page to which the provider redirects, if OIDC_REDIRECT_URI names a page of the app;
   * `/callback` by default. Below it, `/callback/{name}` is the page of the provider with that name.
   */
  callbackPath?: string
  /**
   * Binds app tokens to a key that never leaves this browser (RFC 9449): copied elsewhere, they are refused.
   * The server needs `APP_TOKEN_BINDING=optional` or `required`, and the APIs have to accept such tokens.
   */
  dpop?: boolean
}

/** What an app token says about the user; the claims besides `sub` are those of the provider. */
export interface PorticoUser {
  /** The user, unique among all providers. */
  sub: string
  name?: string
  email?: string
  groups?: string[]
}

/** The session at Portico; durations are seconds, counted from the answer that brought them. */
export interface PorticoSession {
  /** The session's public handle: a name, not a secret. */
  id: string
  /** ISO 8601. */
  created_at: string
  /** Seconds until the session ends if it is not used; never more than `absolute_expires_in`. */
  idle_expires_in: number
  /** Seconds until the session ends in any case. */
  absolute_expires_in: number
}

/**
 * Whether a user is signed in. `unknown`: it could not be asked, because Portico does not answer or this
 * browser is offline. It never means signed out; `user` is the last one known, if one is.
 */
export type PorticoState<User extends PorticoUser = PorticoUser> =
  | { status: 'loading'; user?: undefined; session?: undefined; error?: undefined }
  | { status: 'signed-in'; user: User; session: PorticoSession; error?: undefined }
  | { status: 'signed-out'; user?: undefined; session?: undefined; error?: undefined }
  | {
      status: 'unknown'
      user?: User | undefined
      session?: PorticoSession | undefined
      error: PorticoError
    }

/** What `on` reports, by the event's name. */
export interface PorticoEvents<User extends PorticoUser = PorticoUser> {
  /** A user is signed in, also one whom a reload finds signed in. */
  'signed-in': { user: User }
  /**
   * The user is not signed in any more: by `logout` in this tab (`here`) or in another one (`other-tab`), or
   * because the session timed out or was ended elsewhere (`ended`).
   */
  'signed-out': { reason: 'here' | 'other-tab' | 'ended' }
  /** Another user signed in in this browser: show nothing more of the previous one. */
  'user-changed': { user: User; previous: User }
  /** The session ends in so many seconds, without use or in any case. `keepAlive` can prevent the former. */
  expiring: { seconds: number }
  /** A token could not be renewed. The state says whether the user is still signed in. */
  'renew-failed': { error: PorticoError }
}

/** How a login begins (OpenID Connect Core 3.1.2.1); all of it is optional. */
export interface LoginOptions {
  /** Where to go afterwards: a path of this app with query and fragment; the current one by default. */
  returnTo?: string
  /** The name of a configured provider; the first one by default. */
  provider?: string
  prompt?: 'none' | 'login' | 'consent' | 'select_account' | 'create'
  loginHint?: string
  /** Space-separated. */
  acrValues?: string
  /** Seconds since the user last authenticated. */
  maxAge?: number
}

/** Which token to get; without options, one for the default audience with all granted scopes. */
export interface TokenOptions {
  /** Space-separated; must be among the granted ones (RFC 6749 3.3). */
  scope?: string
  /** One of APP_TOKEN_AUDIENCE, or several of them for a token that all their APIs accept. */
  audience?: string | readonly string[]
  /** Asks the server, even while the token in memory is valid. */
  fresh?: boolean
}

/** A session of the user, in this browser or another one. */
export interface ListedSession extends PorticoSession {
  /** Such as "Firefox on Linux". */
  device: string
  address: string | null
  /** ISO 8601. */
  last_seen_at: string
  /** Whether it is the session of this browser. */
  current: boolean
}

/**
 * The client of one Portico. All methods reject with `PorticoError`. Nothing happens before the first call
 * (`subscribe`, for example), so that it can be created while a page is rendered on a server.
 */
export interface Portico<User extends PorticoUser = PorticoUser> {
  /** The current state; the same object until it changes, as `useSyncExternalStore` requires. */
  getState(): PorticoState<User>
  /** Calls the listener after each change of the state; returns the function that stops that. */
  subscribe(listener: () => void): () => void
  /** Calls the listener at each event of that name; returns the function that stops that. */
  on<Name extends keyof PorticoEvents<User>>(
    name: Name,
    listener: (event: PorticoEvents<User>[Name]) => void,
  ): () => void

  /** Sends the browser to the provider. A second call while the first one is under way does nothing. */
  login(options?: LoginOptions): Promise<void>
  /**
   * On the callback page: forwards the provider's response to Portico, once, however often it is called; the
   * response disappears from the address. Returns where the app goes on. Without a response in the address it
   * only checks the session.
   */
  handleCallback(): Promise<{ returnTo: string }>
  /**
   * Logs out here, then sends the browser to the provider to log out there, and from there to `returnTo`, `/`
   * by default. `everywhere` ends all sessions of the user. Resolves to `atProvider: false` if the provider
   * has no logout or could not be asked: the browser then goes to `returnTo`, or stays without one.
   * A second call while the first one is under way is the same logout.
   */
  logout(options?: { everywhere?: boolean; returnTo?: string }): Promise<{ atProvider: boolean }>

  /** Returns an app token that is valid for a while, renewed if needed: one call for all tabs. */
  getToken(options?: TokenOptions): Promise<string>
  /**
   * As the global `fetch`. Requests to `apiOrigins` carry the token; after a 401 they are sent once more with
   * a fresh one. If an API demands a stronger or more recent sign-in (RFC 9470), a login begins.
   */
  fetch(input: string | URL | Request, init?: RequestInit, token?: TokenOptions): Promise<Response>
  /**
   * The headers with which another HTTP client calls an API: `Authorization` and, for a bound token, `DPoP`.
   * Each request needs its own. An address outside of `apiOrigins` gets none.
   */
  authHeaders(url: string | URL, method?: string, token?: TokenOptions): Promise<Record<string, string>>

  /** Where the user is signed in. */
  sessions: {
    /** The user's sessions, the oldest first. */
    list(): Promise<ListedSession[]>
    /** Ends one of them. */
    end(id: string): Promise<void>
    /** Ends all except this one; returns how many. */
    endOthers(): Promise<number>
  }
  /** What the provider says about the user right now. */
  userinfo(): Promise<Record<string, unknown>>

  /**
   * Asks the server whether the user is signed in. Never rejects: where it could not be asked, the state says
   * so. Like everything that this client does by itself, it extends the session only if the user did
   * something in this tab since the last call.
   */
  checkSession(): Promise<PorticoState<User>>
  /** Extends the session, as a click does. */
  keepAlive(): Promise<PorticoState<User>>
  /** Stops all timers and listeners. */
  close(): void
}

import type { PorticoUser } from './hooks.ts'

/** What is read of a request: one of Node, Express or Connect fits. */
export interface PorticoRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
}

/** What is written to a response, in the same way. */
export interface PorticoResponse {
  statusCode: number
  setHeader(name: string, value: string): unknown
  end(): unknown
}

/** Middleware for `app.use` and for single routes of Express. */
export type PorticoHandler = (
  req: PorticoRequest,
  res: PorticoResponse,
  next: (error?: unknown) => void,
) => void

/** Who may use a route: users with every scope, of one of the groups, and of one of the providers. */
export interface AccessOptions {
  /** Scopes that the provider granted at the sign-in, as a list or with spaces between them. */
  readonly scope?: string | readonly string[]
  /** Names of groups, in the user's claim `groups`. */
  readonly groups?: readonly string[]
  /** Names of providers. */
  readonly providers?: readonly string[]
}

/** A session, as it is now. */
export interface PorticoSession {
  /** Its public id, which also app tokens have (`sid`); nothing can be signed in with it. */
  readonly id: string
  readonly user: PorticoUser
  /** The name of the provider in the configuration; `default` where there is only one. */
  readonly provider: string
  /** The scopes that the provider granted. */
  readonly scope: readonly string[]
  readonly createdAt: Date
  /** When it ends unless it is used before. */
  readonly idleExpiresAt: Date
  /** When it ends in any case. */
  readonly absoluteExpiresAt: Date
}

/** Portico in an app of yours. */
export interface Portico {
  /**
   * Everything that Portico answers: `app.use(portico.router)`, or `app.use('/shop', portico.router)` where
   * PUBLIC_URL ends with /shop. All other requests go on in the app, untouched.
   */
  readonly router: PorticoHandler
  /**
   * Middleware that lets a request pass with a living session only, and only from a page that may call: for
   * all methods but GET, HEAD and OPTIONS, the browser or the header `X-CSRF: 1` must show it. A navigation
   * without a session is redirected to the login and comes back; a call gets 401 or 403 with a problem
   * document (RFC 9457); any other navigation is an error for the app's error handler, with `status` and
   * `code`.
   */
  requireSession(access?: AccessOptions): PorticoHandler
  /**
   * The session of a request; undefined where the user is not signed in. With `slide: false`, the request is
   * no activity of the user, and does not extend the session.
   *
   * @throws PorticoError `store_unavailable`
   */
  session(req: PorticoRequest, options?: { slide?: boolean }): Promise<PorticoSession | undefined>
  /**
   * The provider's access token of the user, for calls by this server; refreshed once for all requests where
   * it has expired. Call it behind `requireSession`, which checks where the request comes from.
   *
   * @throws PorticoError `session_required`, `session_expired`, `provider_unavailable`, `store_unavailable`;
   * `unprocessable` where the token is bound to a key (OIDC_DPOP)
   */
  accessToken(req: PorticoRequest): Promise<string>
  /** Whether Portico can work now, and the state of each part: for the app's own readiness probe. */
  readiness(): Promise<{ isReady: boolean; parts: Readonly<Record<string, string>> }>
  /**
   * What operators and their monitoring call, where OPERATOR_PORT or OPERATOR_SECRET is set: a listener for a
   * server of its own, which no browser reaches (`createServer(portico.operator).listen(9464)`).
   */
  readonly operator: ((req: unknown, res: unknown) => void) | undefined
  /** Opens the file of AUDIT_LOG again, after it was renamed. */
  reopenAudit(): void
  /**
   * Ends what runs beside requests, and closes all connections. Call it after the server is closed; nothing
   * of Portico keeps the process running then.
   */
  close(): Promise<void>
}

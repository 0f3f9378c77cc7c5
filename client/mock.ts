import { PorticoError } from './errors.ts'
import { createStateStore } from './session/state-store.ts'
import type {
  Portico,
  PorticoEvents,
  PorticoSession,
  PorticoState,
  PorticoUser,
  TokenOptions,
} from './types.ts'

/** The methods of the client whose calls a mock records. */
export type MockMethod =
  | Exclude<keyof Portico, 'getState' | 'subscribe' | 'on' | 'sessions'>
  | `sessions.${keyof Portico['sessions']}`

/** A call, with its arguments as they were given. */
export interface MockCall {
  method: MockMethod
  args: readonly unknown[]
}

/** How a mock begins, and what it answers; all of it is optional. */
export interface MockOptions<User extends PorticoUser = PorticoUser> {
  /** Who is signed in; with a `status`, the last user known, or the one whom `handleCallback` signs in. */
  user?: User
  session?: Partial<PorticoSession>
  /**
   * The status at the beginning, if it is not `signed-in` with a user and `signed-out` without one; `unknown`
   * is as after `fail`.
   */
  status?: Exclude<PorticoState['status'], 'signed-in'>
  /** What `getToken` returns; `mock-token` by default. */
  token?: string | ((options: TokenOptions) => string)
  /** What `handleCallback` returns; `/` by default. */
  returnTo?: string
  /** Answers `fetch`, which has added the token; without it, each answer is an empty 204. */
  fetch?: typeof fetch
}

/** A client in memory, and what a test does with it. */
export interface MockPortico<User extends PorticoUser = PorticoUser> extends Portico<User> {
  /** All calls so far, the oldest first. */
  readonly calls: readonly MockCall[]
  /** The user signs in; if another one was signed in, that is a `user-changed`. */
  signIn(user: User, session?: Partial<PorticoSession>): void
  /** The user is signed out; by default because the session ended. */
  signOut(reason?: PorticoEvents['signed-out']['reason']): void
  /**
   * Without a method: Portico does not answer any more. The state is `unknown`, the user the last one known,
   * and all calls reject that ask Portico for something, until `signIn` or `signOut`. With a method: only its
   * calls reject, and no state changes; without an error they succeed again.
   */
  fail(error: PorticoError): void
  fail(error: PorticoError | undefined, method: MockMethod): void
  /** The token was renewed: from now on, `getToken` returns this one. */
  setToken(token: string): void
  /** Reports an event that no control above causes: `expiring` or `renew-failed`. */
  emit<Name extends keyof PorticoEvents<User>>(name: Name, event: PorticoEvents<User>[Name]): void
}

const defaultSession: PorticoSession = {
  id: 'mock-session',
  created_at: '2026-01-01T00:00:00.000Z',
  idle_expires_in: 1_800,
  absolute_expires_in: 43_200,
}

/**
 * Creates a client without network, timers or browser, for unit tests of an app. Its state and events are
 * those of the real one; `login` goes nowhere, `handleCallback` signs `user` in, `logout` signs out.
 *
 * @example
 * const portico = createMockPortico({ user: { sub: 'ada', name: 'Ada' } })
 * render(<PorticoProvider portico={portico}><App /></PorticoProvider>)
 * await userEvent.click(screen.getByRole('button', { name: 'Log out' }))
 * expect(portico.calls).toEqual([{ method: 'logout', args: [] }])
 */
export function createMockPortico<User extends PorticoUser = PorticoUser>(
  options: MockOptions<User> = {},
): MockPortico<User> {
  const calls: MockCall[] = []
  const failures = new Map<MockMethod, PorticoError>()
  let outage: PorticoError | undefined
  let { token = 'mock-token' } = options
  const { user, session, status = user ? 'signed-in' : 'signed-out' } = options
  const store = createStateStore<User>()

  function signIn(user: User, session?: Partial<PorticoSession>): void {
    outage = undefined
    store.signedIn(user, { ...defaultSession, ...session })
  }
  function signOut(reason: PorticoEvents['signed-out']['reason'] = 'ended'): void {
    outage = undefined
    store.signedOut(reason)
  }

  /** Records a call, and answers it unless a test made it fail. */
  async function call<Answer>(
    method: MockMethod,
    args: readonly unknown[],
    answer: () => Answer | Promise<Answer>,
  ): Promise<Answer> {
    calls.push({ method, args })
    const error = failures.get(method) ?? outage
    if (error) throw error
    return answer()
  }
  function currentToken(tokenOptions: TokenOptions = {}): string {
    if (store.get().user === undefined) {
      throw new PorticoError('session_required', 'You are not signed in.', { status: 401 })
    }
    return typeof token === 'string' ? token : token(tokenOptions)
  }

  const answer: typeof fetch = options.fetch ?? (async () => new Response(null, { status: 204 }))
  let isCallbackDone = false

  if (user && (status === 'signed-in' || status === 'unknown')) signIn(user, session)
  if (status === 'unknown') {
    outage = new PorticoError('network_error', 'Portico does not answer.')
    store.unknown(outage)
  }
  if (status === 'signed-out') signOut()

  return {
    calls,
    signIn,
    signOut,
    emit: store.emit,
    fail(error: PorticoError | undefined, method?: MockMethod) {
      if (method === undefined) {
        outage = error
        if (error) store.unknown(error)
      } else if (error === undefined) failures.delete(method)
      else failures.set(method, error)
    },
    setToken(next) {
      token = next
      const { status, session } = store.get()
      if (status === 'signed-in') store.sessionMoved({ ...session })
    },

    getState: store.get,
    subscribe: store.subscribe,
    on: store.on,

    login: (...args) => call('login', args, () => undefined),
    handleCallback: (...args) =>
      call('handleCallback', args, () => {
        if (user && !isCallbackDone) signIn(user, session)
        isCallbackDone = true
        return { returnTo: options.returnTo ?? '/' }
      }),
    logout: (...args) =>
      call('logout', args, () => {
        signOut('here')
        return { atProvider: true }
      }),

    getToken: (...args) => call('getToken', args, () => currentToken(...args)),
    fetch: (...args) =>
      call('fetch', args, () => {
        const [input, init, tokenOptions] = args
        const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined))
        headers.set('Authorization', `Bearer ${currentToken(tokenOptions)}`)
        return answer(input, { ...init, headers })
      }),
    authHeaders: (...args) =>
      call('authHeaders', args, () => ({ Authorization: `Bearer ${currentToken(args[2])}` })),

    sessions: {
      list: (...args) =>
        call('sessions.list', args, () => {
          const { session } = store.get()
          if (session === undefined) return []
          const { created_at: last_seen_at } = session
          return [{ ...session, device: 'Mock browser', address: null, last_seen_at, current: true }]
        }),
      end: (...args) => call('sessions.end', args, () => undefined),
      endOthers: (...args) => call('sessions.endOthers', args, () => 0),
    },
    userinfo: (...args) => call('userinfo', args, () => ({ ...store.get().user })),
    // These do not reject: the state says what is known.
    async checkSession() {
      calls.push({ method: 'checkSession', args: [] })
      return store.get()
    },
    async keepAlive() {
      calls.push({ method: 'keepAlive', args: [] })
      return store.get()
    },
    close: () => void calls.push({ method: 'close', args: [] }),
  }
}

import { watchActivity } from './activity.ts'
import { createApiRequests } from './api-requests.ts'
import { type Call, createCall } from './call.ts'
import { now, secondsSince } from './clock.ts'
import { PorticoError } from './errors.ts'
import { createLazyKey } from './lazy-key.ts'
import { createNavigations } from './navigations.ts'
import { createSessionTimeouts } from './session-timeouts.ts'
import type { StateStore } from './state-store.ts'
import { connectTabs, type SharedToken, type TabMessage } from './tabs.ts'
import { createTimetable } from './timetable.ts'
import { createTokens } from './tokens.ts'
import type {
  ListedSession,
  Portico,
  PorticoEvents,
  PorticoOptions,
  PorticoSession,
  PorticoState,
  PorticoUser,
} from './types.ts'

type SessionAnswer<User> = { active: false } | { active: true; user: User; session: PorticoSession }

/** What begins to run with the first call of a client. */
export type RunningClient<User extends PorticoUser> = Omit<Portico<User>, 'getState' | 'subscribe' | 'on'>

/** Seconds; a tab that gets the focus asks whether the session still exists, but not at every click. */
const focusPause = 5

/** The user is not signed in any more, or has lost the key of the session. */
const endings = ['session_required', 'session_expired', 'dpop_key_mismatch']
const isTemporary = ({ status }: PorticoError) => status === 0 || status === 429 || status >= 500

const signedOut = () => new PorticoError('session_required', 'The user is not signed in.', { status: 401 })

/** Starts the client in this tab: connects it with the other tabs, and asks who is signed in. */
export function startClient<User extends PorticoUser>(
  { url: origin = '', apiOrigins, callbackPath = '/callback', dpop = false }: PorticoOptions,
  store: StateStore<User>,
): RunningClient<User> {
  const getKey = dpop ? createLazyKey(origin) : undefined
  const timeouts = createSessionTimeouts()
  const activity = watchActivity(() => timetable.plan())
  const tabs = connectTabs(origin, receive)
  const callServer = createCall(origin)
  const tokens = createTokens({ call, getKey, tabs, accept, onFailure })
  let answeredAt = now()
  let hasWarned = false
  /** A session whose key this browser has lost. */
  let lostSession: string | undefined
  let checking: Promise<PorticoState<User>> | undefined
  /** Counts the logins and logouts in this tab: an answer that is older than the last one says nothing. */
  let changes = 0

  const timetable = createTimetable([
    { dueIn: () => timetable.retryDue(), run: check },
    { dueIn: tokens.renewalDue, run: () => tokens.get().catch(() => {}) },
    { dueIn: () => (activity.isUsed() ? timeouts.halfIdleIn() : Number.POSITIVE_INFINITY), run: check },
    { dueIn: () => (hasWarned ? Number.POSITIVE_INFINITY : timeouts.warningIn()), run: warn },
    { dueIn: () => timeouts.endsIn() + 1, run: check },
  ])

  /** A call that acts on the session. It extends the session only if the user did something. */
  async function call<Answer>(path: string, options?: Parameters<Call>[1]): Promise<Answer> {
    const isUse = activity.take()
    try {
      const answer = await callServer<Answer>(isUse ? path : `${path}?slide=false`, options)
      timetable.resume()
      answeredAt = now()
      return answer
    } catch (error) {
      if (isUse) activity.note()
      if (error instanceof PorticoError) noteFailure(error)
      throw error
    }
  }

  function noteFailure(error: PorticoError): void {
    if (error.code === 'dpop_key_mismatch') lostSession = store.get().session?.id
    if (endings.includes(error.code)) leave('ended')
    else if (isTemporary(error)) timetable.pause(error.retryAfter)
  }

  /** Asks who is signed in. Never rejects: what could not be asked is a state. */
  function check(): Promise<PorticoState<User>> {
    const before = changes
    checking ??= call<SessionAnswer<User>>('session')
      .then(
        (answer) => {
          if (before !== changes) return
          if (answer.active && answer.session.id !== lostSession) enter(answer.user, answer.session)
          else leave('ended')
        },
        (error: PorticoError) => {
          const { status } = store.get()
          const isKnown = status === 'signed-out' || (status === 'signed-in' && timeouts.endsIn() > 0)
          if (!isKnown) store.unknown(error)
        },
      )
      .then(() => store.get())
      .finally(() => {
        checking = undefined
      })
    return checking
  }

  function follow(session: PorticoSession | undefined): void {
    timeouts.follow(session)
    if (timeouts.warningIn() > 0) hasWarned = false
    timetable.plan()
  }

  function enter(user: User, session: PorticoSession): void {
    const before = store.get()
    changes += 1
    if (before.user?.sub !== user.sub) tokens.forget()
    follow(session)
    store.signedIn(user, session)
    if (before.session?.id !== session.id) tabs.post({ type: 'session', id: session.id })
  }

  function leave(reason: PorticoEvents['signed-out']['reason']): void {
    const hadSession = store.get().session !== undefined
    changes += 1
    tokens.forget()
    follow(undefined)
    store.signedOut(reason)
    if (reason === 'here') tabs.post({ type: 'signed-out' })
    else if (reason === 'ended' && hadSession) tabs.post({ type: 'session', id: undefined })
  }

  function receive(message: TabMessage): void {
    const { user, session } = store.get()
    if (message.type === 'signed-out') leave('other-tab')
    else if (message.type === 'session') {
      if (message.id !== session?.id) void check()
    } else if (message.token.sub === user?.sub && message.token.session.id === session?.id) {
      tokens.keep(message.token, message.name)
      move(message.token.session)
    }
  }

  function move(session: PorticoSession): void {
    follow(session)
    store.sessionMoved(session)
  }

  /** Refuses the token of another user: the page still shows the previous one. */
  async function accept(token: SharedToken): Promise<void> {
    const { user } = store.get()
    if (user === undefined) await check()
    const isSame = store.get().user?.sub === token.sub
    if (isSame) return move(token.session)
    if (user === undefined) throw signedOut()
    await check()
    throw new PorticoError('user_changed', 'Another user has signed in in this browser.')
  }

  function onFailure(error: PorticoError): void {
    if (isTemporary(error) && tokens.remaining() === 0 && store.get().status !== 'signed-out') {
      store.unknown(error)
    }
    store.emit('renew-failed', { error })
  }

  function warn(): void {
    hasWarned = true
    store.emit('expiring', { seconds: Math.max(0, Math.round(timeouts.endsIn())) })
  }

  const navigations = createNavigations<User>({
    origin,
    callbackPath,
    call: callServer,
    getKey,
    onSignedIn(answer) {
      enter(answer.user, answer.session)
      tokens.keep({ ...answer, sub: answer.user.sub })
    },
    onSignedOut: () => leave('here'),
    checkSession: check,
  })

  let finishCallback = () => {}
  /** On the callback page, its response decides who is signed in. */
  const ready: Promise<unknown> = navigations.hasResponse()
    ? new Promise<void>((resolve) => {
        finishCallback = resolve
      })
    : check()

  /** A token, once it is known that a user may be signed in. */
  const getToken: typeof tokens.get = async (options) => {
    await ready
    if (store.get().status === 'signed-out') throw signedOut()
    return tokens.get(options)
  }

  /** The user comes back to this tab, or the network does. */
  function look(event: Event): void {
    const { type } = event
    if (type === 'pageshow') {
      if (!(event as PageTransitionEvent).persisted) return
      navigations.reset()
    }
    if (type === 'visibilitychange' && !document.hidden) activity.note()
    if (document.hidden || (type === 'focus' && secondsSince(answeredAt) < focusPause)) timetable.plan()
    else if (store.get().status !== 'loading') void check()
  }
  const looks = ['pageshow', 'online', 'focus']
  for (const event of looks) addEventListener(event, look)
  document.addEventListener('visibilitychange', look)

  return {
    ...createApiRequests({ apiOrigins, tokens: { get: getToken }, getKey, login: navigations.login }),
    login: navigations.login,
    logout: navigations.logout,
    handleCallback: () => navigations.handleCallback().finally(finishCallback),
    getToken: async (options) => (await getToken(options)).token,

    sessions: {
      list: async () => (await call<{ sessions: ListedSession[] }>('sessions')).sessions,
      async end(id) {
        await call(`sessions/${id}`, { method: 'DELETE' })
        if (id === store.get().session?.id) leave('here')
      },
      endOthers: async () => (await call<{ ended: number }>('sessions', { method: 'DELETE' })).ended,
    },
    userinfo: () => call('userinfo'),

    checkSession: check,
    async keepAlive() {
      await checking
      activity.note()
      return check()
    },
    close() {
      for (const event of looks) removeEventListener(event, look)
      document.removeEventListener('visibilitychange', look)
      activity.close()
      timetable.stop()
      tabs.close()
    },
  }
}

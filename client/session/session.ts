import type { Call } from '../call.ts'
import { now, secondsSince } from '../clock.ts'
import type { PorticoError } from '../errors.ts'
import type { SharedToken, TabMessage, Tabs } from '../tabs.ts'
import type { PorticoEvents, PorticoSession, PorticoState, PorticoUser } from '../types.ts'
import type { Activity } from './activity.ts'
import { createSessionJobs } from './session-jobs.ts'
import { createSessionTimeouts } from './session-timeouts.ts'
import type { StateStore } from './state-store.ts'
import type { Job, Timetable } from './timetable.ts'

/** The session in this tab: who is signed in, and until when. */
export interface Session<User extends PorticoUser> {
  /** A call that acts on the session. It extends the session only if the user did something. */
  call: Call
  /** Asks who is signed in. Never rejects: what could not be asked is a state. */
  check(): Promise<PorticoState<User>>
  /** A login in this tab. */
  enter(user: User, session: PorticoSession): void
  /** A logout in this tab. */
  leave(): void
  /** Takes note of the session that a new token belongs to, and of the user, if it is another one. */
  accept(token: SharedToken): Promise<void>
  /** Another tab says something. */
  receive(message: TabMessage): void
  /** A renewal failed. */
  doubt(error: PorticoError): void
  /** Seconds since the server last answered. */
  answeredAgo(): number
  jobs: readonly Job[]
}

interface SessionOptions<User extends PorticoUser> {
  callServer: Call
  store: StateStore<User>
  activity: Activity
  tabs: Tabs
  timetable: Timetable
  isTokenExpired(): boolean
}

type SessionAnswer<User> = { active: false } | { active: true; user: User; session: PorticoSession }

/** The user is not signed in any more, or this browser has lost the key of the session. */
const endings = ['session_required', 'session_expired', 'dpop_key_mismatch']

/** Creates the session of this tab. */
export function createSession<User extends PorticoUser>({
  callServer,
  store,
  activity,
  tabs,
  timetable,
  isTokenExpired,
}: SessionOptions<User>): Session<User> {
  const timeouts = createSessionTimeouts()
  let answeredAt = now()
  /** A session whose key this browser has lost. */
  let lostSession: string | undefined
  let checking: Promise<PorticoState<User>> | undefined
  /** Counts the sessions that began and ended in this tab: an answer from before that says nothing. */
  let changes = 0

  async function call<Answer>(path: string, options?: Parameters<Call>[1]): Promise<Answer> {
    const before = changes
    const isUse = activity.take()
    try {
      const answer = await callServer<Answer>(isUse ? path : `${path}?slide=false`, options)
      timetable.resume()
      answeredAt = now()
      return answer
    } catch (error) {
      if (isUse) activity.note()
      if (before === changes) noteFailure(error as PorticoError)
      throw error
    }
  }

  function noteFailure({ code, status, retryAfter }: PorticoError): void {
    if (code === 'dpop_key_mismatch') lostSession = store.get().session?.id
    if (endings.includes(code)) end('ended')
    else if (code === 'unexpected_response' || !status || status === 429 || status >= 500) {
      timetable.pause(retryAfter)
    }
  }

  function check(): Promise<PorticoState<User>> {
    const before = changes
    checking ??= call<SessionAnswer<User>>('session', { has: 'active' })
      .then((answer) => {
        if (before !== changes) return
        if (answer.active && answer.session.id !== lostSession) enter(answer.user, answer.session)
        else end('ended')
      })
      .catch(doubt)
      .then(() => {
        checking = undefined
        return store.get()
      })
    return checking
  }

  function follow(session: PorticoSession | undefined): void {
    timeouts.follow(session)
    timetable.plan()
  }

  function enter(user: User, session: PorticoSession): void {
    const isOther = store.get().session?.id !== session.id
    if (isOther) {
      changes += 1
      // First: a listener that throws must not keep it from the other tabs.
      tabs.post({ type: 'session', id: session.id })
    }
    follow(session)
    store.signedIn(user, session)
  }

  function end(reason: PorticoEvents['signed-out']['reason']): void {
    const { session } = store.get()
    changes += 1
    if (reason === 'here') tabs.post({ type: 'signed-out', id: session?.id })
    else if (reason === 'ended' && session) tabs.post({ type: 'session', id: undefined })
    follow(undefined)
    store.signedOut(reason)
  }

  function move(session: PorticoSession): void {
    follow(session)
    store.sessionMoved(session)
  }

  /** What is known stands until the session or the token has run out. */
  function doubt(error: PorticoError): void {
    const { status } = store.get()
    const isKnown = status === 'signed-in' && timeouts.endsIn() > 0 && !isTokenExpired()
    if (status !== 'signed-out' && !isKnown) store.unknown(error)
  }

  return {
    call,
    check,
    enter,
    leave: () => end('here'),
    doubt,
    answeredAgo: () => secondsSince(answeredAt),

    async accept(token) {
      const { user } = store.get()
      if (user?.sub !== token.sub) await check()
      if (store.get().user?.sub === token.sub) move(token.session)
    },

    receive(message) {
      const { session } = store.get()
      if (message.type === 'token') {
        if (message.token.session.id === session?.id) move(message.token.session)
      } else if (message.type === 'signed-out' && message.id === session?.id) end('other-tab')
      // After a check that is under way: its answer may be older than the message.
      else if (message.id !== session?.id) void Promise.resolve(checking).then(check)
    },

    jobs: createSessionJobs({ timeouts, activity, timetable, store, check }),
  }
}

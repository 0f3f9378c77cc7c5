import { type Call, createCall } from './call.ts'
import { PorticoError } from './errors.ts'
import { createNavigations } from './navigations.ts'
import { createActivity } from './session/activity.ts'
import { createSession, type Session } from './session/session.ts'
import { createStateStore } from './session/state-store.ts'
import { createTimetable } from './session/timetable.ts'
import { watchVisits } from './session/visits.ts'
import { createTabs } from './tabs.ts'
import { createApiRequests } from './tokens/api-requests.ts'
import { createLazyKey } from './tokens/lazy-key.ts'
import { createTokens, type HeldToken, type Tokens } from './tokens/tokens.ts'
import type { ListedSession, Portico, PorticoOptions, PorticoUser, TokenOptions } from './types.ts'

export { PorticoError } from './errors.ts'
export type * from './types.ts'

/**
 * Creates the client of a Portico. One for each app: a module of the app exports it.
 *
 * @throws TypeError where `url` is no address of a server, `apiPrefix` no path, or one of `apiOrigins` no
 * origin
 *
 * @example
 * export const portico = createPortico({ apiOrigins: ['https://api.example.com'] })
 *
 * portico.subscribe(() => render(portico.getState()))
 * const orders = await portico.fetch('https://api.example.com/orders')
 */
export function createPortico<User extends PorticoUser = PorticoUser>({
  url = '',
  apiPrefix = '/api',
  apiOrigins,
  callbackPath = '/callback',
  dpop = false,
}: PorticoOptions): Portico<User> {
  // A misspelt origin would match nothing, and that of an unset variable neither. What is no URL by itself
  // gets another origin by the base. URL.parse is too new for some browsers.
  const origins = [url, apiPrefix].map((address) => address.replace(/(^|\b)(\/[\w.~-]+)+$/, '') || 'self')
  for (const origin of [...origins, ...apiOrigins]) {
    if (origin !== 'self' && new URL(origin, 'http://a').origin !== origin)
      throw new TypeError(`"${origin}" is neither an origin nor a path`)
  }
  const api = url + apiPrefix
  const getKey = dpop ? createLazyKey(api) : undefined
  const store = createStateStore<User>()
  const activity = createActivity(() => timetable.plan())
  const tabs = createTabs(api, (message) => {
    if (message.type === 'token') tokens.keep(message.token, message.name)
    session.receive(message)
  })
  const timetable = createTimetable(() => [
    ...session.jobs,
    { dueIn: tokens.renewalDue, run: () => tokens.get().catch(() => {}) },
  ])
  const send = createCall(api)
  /** The first call of the server starts the client. */
  const callServer: Call = (path, options) => {
    void start()
    return send(path, options)
  }
  const session: Session<User> = createSession({
    callServer,
    store,
    activity,
    tabs,
    timetable,
    isTokenExpired: () => tokens.isExpired(),
  })
  const tokens: Tokens = createTokens({ session, store, getKey, tabs, onKept: timetable.plan })
  const navigations = createNavigations({ api, callbackPath, call: callServer, getKey, session, tokens })

  let ready: Promise<unknown> | undefined
  let finishCallback: (() => void) | undefined
  const closing = new AbortController()
  const { signal } = closing

  /** Connects this tab with the others, and finds out who is signed in. */
  function start(): Promise<unknown> {
    if (ready !== undefined) return ready
    ready = new Promise<void>((resolve) => {
      finishCallback = resolve
    })
    activity.watch(signal)
    tabs.connect()
    watchVisits({ store, activity, session, navigations, timetable, signal })
    // On the callback page, the response decides.
    if (!navigations.hasResponse()) void session.check().then(finishCallback)
    return ready
  }
  /** For listeners: a page that is rendered on a server has none that wait. */
  const startInBrowser = () => {
    if (typeof document === 'object') void start()
  }

  /** A token of the user who is signed in when it is asked for, and still is when it comes. */
  async function getToken(options?: TokenOptions, sub = store.get().user?.sub): Promise<HeldToken> {
    await start()
    if (store.get().status === 'signed-out') {
      throw new PorticoError('session_required', 'You are not signed in.', { status: 401 })
    }
    const held = await tokens.get(options)
    const present = store.get().user?.sub
    if (held.sub === present && (sub ?? present) === present) return held
    throw new PorticoError('user_changed', 'Another user has signed in.')
  }

  return {
    getState: store.get,
    subscribe(listener) {
      startInBrowser()
      return store.subscribe(listener)
    },
    on(name, listener) {
      startInBrowser()
      return store.on(name, listener)
    },
    login: navigations.login,
    handleCallback() {
      // First: the response is still in the address.
      void start()
      return navigations.handleCallback().finally(finishCallback)
    },
    logout: navigations.logout,
    getToken: async (options) => (await getToken(options)).token,
    ...createApiRequests({ apiOrigins, getToken, getKey, login: navigations.login }),
    sessions: {
      list: async () => (await session.call<{ sessions: ListedSession[] }>('sessions')).sessions,
      async end(id) {
        await session.call(`sessions/${id}`, { method: 'DELETE' })
        if (id === store.get().session?.id) session.leave()
      },
      endOthers: async () => (await session.call<{ ended: number }>('sessions', { method: 'DELETE' })).ended,
    },
    userinfo: () => session.call('userinfo'),
    checkSession: session.check,
    async keepAlive() {
      await session.check()
      activity.note()
      return session.check()
    },
    close() {
      closing.abort()
      timetable.stop()
      tabs.close()
    },
  }
}

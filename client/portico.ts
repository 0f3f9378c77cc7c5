import { type RunningClient, startClient } from './running-client.ts'
import { createStateStore } from './state-store.ts'
import type { Portico, PorticoOptions, PorticoUser } from './types.ts'

export { PorticoError } from './errors.ts'
export type * from './types.ts'

/**
 * Creates the client of a Portico. One for each app: a module of the app exports it.
 *
 * @throws TypeError where `url` or one of `apiOrigins` is not an origin
 *
 * @example
 * export const portico = createPortico({ apiOrigins: ['https://api.example.com'] })
 *
 * const { status, user } = portico.getState()
 * if (status === 'signed-out') await portico.login()
 * const orders = await portico.fetch('https://api.example.com/orders')
 */
export function createPortico<User extends PorticoUser = PorticoUser>(
  options: PorticoOptions,
): Portico<User> {
  const { url, apiOrigins } = options
  if (url !== undefined) assertOrigin(url)
  for (const origin of apiOrigins) if (origin !== 'self') assertOrigin(origin)
  const store = createStateStore<User>()
  let client: RunningClient<User> | undefined
  const start = () => {
    client ??= startClient(options, store)
    return client
  }
  /** For listeners: a page that is rendered on a server has no one to listen for. */
  const startInBrowser = () => void (typeof document === 'undefined' || start())

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
    login: async (login) => start().login(login),
    handleCallback: async () => start().handleCallback(),
    logout: async (logout) => start().logout(logout),
    getToken: async (token) => start().getToken(token),
    fetch: async (input, init, token) => start().fetch(input, init, token),
    authHeaders: async (address, method, token) => start().authHeaders(address, method, token),
    sessions: {
      list: async () => start().sessions.list(),
      end: async (id) => start().sessions.end(id),
      endOthers: async () => start().sessions.endOthers(),
    },
    userinfo: async () => start().userinfo(),
    checkSession: async () => start().checkSession(),
    keepAlive: async () => start().keepAlive(),
    close: () => client?.close(),
  }
}

/** A misspelt origin would match nothing, and one with a path more than it seems to. */
function assertOrigin(origin: string): void {
  if (URL.parse(origin)?.origin === origin) return
  throw new TypeError(
    `"${origin}" must be an origin such as https://api.example.com, without a slash at its end`,
  )
}

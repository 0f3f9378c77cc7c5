import type { Call } from './call.ts'
import type { PorticoError } from './errors.ts'
import type { Session } from './session/session.ts'
import type { SharedToken } from './tabs.ts'
import type { GetDpopKey } from './tokens/lazy-key.ts'
import type { Tokens } from './tokens/tokens.ts'
import type { LoginOptions, Portico, PorticoUser } from './types.ts'

/** What the callback answers. */
interface CallbackAnswer<User extends PorticoUser> extends Omit<SharedToken, 'sub'> {
  return_to: string
  user: User
}

type LogoutOptions = NonNullable<Parameters<Portico['logout']>[0]>

interface NavigationsOptions<User extends PorticoUser> {
  /** Where Portico's addresses begin: an address, or a path of the page's own origin. */
  api: string
  callbackPath: string
  call: Call
  getKey: GetDpopKey | undefined
  session: Pick<Session<User>, 'enter' | 'leave' | 'check'>
  tokens: Pick<Tokens, 'keep'>
}

/** The steps at which the browser leaves the page, or comes back to it. */
export interface Navigations extends Pick<Portico, 'login' | 'handleCallback' | 'logout'> {
  /** Whether the address of this page holds a response of the provider that is still to be handled. */
  hasResponse(): boolean
  /** The page is shown again, because the user came back to it: nothing is under way any more. */
  reset(): void
}

/** Milliseconds after which the browser has left the page, or the user has stopped it. */
const leavingTime = 10_000

/** Creates login, callback and logout. */
export function createNavigations<User extends PorticoUser>({
  api,
  callbackPath,
  call,
  getKey,
  session,
  tokens,
}: NavigationsOptions<User>): Navigations {
  /** Under this name a tab remembers where its login leads. */
  const returnToName = `portico ${api}`
  /** The login or logout that is under way: until the browser has left, no other one begins. */
  let leaving: Promise<void> | undefined
  let ending: ReturnType<Portico['logout']> | undefined
  let handling: Promise<{ returnTo: string }> | undefined

  const reset = () => {
    leaving = undefined
    ending = undefined
  }
  const leave = (address: string) => {
    leaving ??= Promise.resolve()
    setTimeout(reset, leavingTime)
    location.assign(address)
  }

  const isCallbackPage = () => `${location.pathname}/`.startsWith(`${callbackPath}/`)

  /** An address as Portico accepts it: a path alone is one of Portico's own origin. */
  const toReturnTo = (path: string) => shorten(path, new URL(api, location.href).origin)

  async function begin(options: LoginOptions): Promise<void> {
    const { returnTo, provider, prompt, loginHint, acrValues, maxAge } = options
    // After a login that failed, another one leads to where that one began.
    const here = isCallbackPage() ? (sessionStorage[returnToName] ?? '/') : toPath(location)
    const target = toReturnTo(returnTo ?? here)
    sessionStorage[returnToName] = target
    const query = {
      return_to: target,
      provider,
      prompt,
      login_hint: loginHint,
      acr_values: acrValues,
      max_age: maxAge,
      dpop_jkt: (await getKey?.())?.thumbprint,
    }
    // JSON leaves out what is undefined.
    const given = new URLSearchParams(JSON.parse(JSON.stringify(query)))
    const { login_url: address } = await call<{ login_url: string }>(`login?${given}`, {
      has: 'login_url',
    })
    leave(address)
  }

  async function handleResponse(): Promise<{ returnTo: string }> {
    const response = Object.fromEntries(new URLSearchParams(location.search))
    const provider = location.pathname.slice(callbackPath.length).replace(/\/$/, '')
    // The code works once, but it must not stay in the address and the history either.
    history.replaceState(history.state, '', location.pathname)
    try {
      const answer = await call<CallbackAnswer<User>>(`callback${provider}`, {
        method: 'POST',
        body: response,
        has: 'token',
        getKey,
      })
      session.enter(answer.user, answer.session)
      tokens.keep({ ...answer, sub: answer.user.sub })
      return { returnTo: shorten(answer.return_to, location.origin) }
    } catch (error) {
      // A user who was signed in before still is.
      await session.check()
      throw error
    }
  }

  async function end({ everywhere, returnTo }: LogoutOptions): ReturnType<Portico['logout']> {
    const body = { everywhere, return_to: toReturnTo(returnTo ?? '/') }
    const answer = await call<{ logout_url: string | null }>('logout', {
      method: 'POST',
      body,
      has: 'logout_url',
    }).catch((error: PorticoError) => {
      // The session had ended already, so that its user's other sessions are not known.
      if (error.code === 'session_expired') session.leave()
      throw error
    })
    const address = answer.logout_url ?? returnTo
    if (address) leave(address)
    session.leave()
    return { atProvider: answer.logout_url !== null }
  }

  const hasResponse = () => isCallbackPage() && /[?&](state|response)=/.test(location.search)

  return {
    hasResponse,
    reset,

    login(options = {}) {
      leaving ??= begin(options).catch((error: unknown) => {
        reset()
        throw error
      })
      return leaving
    },

    handleCallback() {
      if (hasResponse()) handling = handleResponse()
      return handling ?? session.check().then(() => ({ returnTo: '/' }))
    },

    logout(options = {}) {
      ending ??= end(options).finally(() => {
        // It failed, or the page stays.
        if (!leaving) ending = undefined
      })
      return ending
    },
  }
}

/** The path of an address of this origin; another address is whole. */
function shorten(path: string, origin: string): string {
  const address = new URL(path, location.origin)
  return address.origin === origin ? toPath(address) : address.href
}

/** One slash only: two would begin a host. */
const toPath = ({ pathname, search, hash }: URL | Location) => pathname.replace(/^\/+/, '/') + search + hash

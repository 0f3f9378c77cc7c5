import type { PorticoError } from '../errors.ts'
import type { PorticoEvents, PorticoSession, PorticoState, PorticoUser } from '../types.ts'

/** Holds what is known about the user, and reports changes. */
export interface StateStore<User extends PorticoUser> {
  get(): PorticoState<User>
  subscribe(listener: () => void): () => void
  on<Name extends keyof PorticoEvents<User>>(
    name: Name,
    listener: (event: PorticoEvents<User>[Name]) => void,
  ): () => void
  emit<Name extends keyof PorticoEvents<User>>(name: Name, event: PorticoEvents<User>[Name]): void
  /** The server says that this user is signed in. */
  signedIn(user: User, session: PorticoSession): void
  signedOut(reason: PorticoEvents['signed-out']['reason']): void
  /** The session's timeouts, as a later answer brought them. */
  sessionMoved(session: PorticoSession): void
  /** It could not be asked who is signed in; what was known before is kept. */
  unknown(error: PorticoError): void
}

/** Creates the store; before the first answer the status is `loading`. */
export function createStateStore<User extends PorticoUser>(): StateStore<User> {
  let state: PorticoState<User> = { status: 'loading' }
  const listeners = new Set<() => void>()
  const eventListeners = new Map<string, Set<(event: never) => void>>()

  const add = <Item>(set: Set<Item>, item: Item) => {
    set.add(item)
    return () => void set.delete(item)
  }
  const change = (next: PorticoState<User>) => {
    state = next
    for (const listener of listeners) listener()
  }
  const emit: StateStore<User>['emit'] = (name, event) => {
    for (const listener of eventListeners.get(name) ?? []) listener(event as never)
  }

  return {
    get: () => state,
    // A function of its own for each call: the same listener may subscribe twice.
    subscribe: (listener) => add(listeners, () => listener()),
    on(name, listener) {
      const set = eventListeners.get(name) ?? new Set()
      eventListeners.set(name, set)
      return add(set, (event: never) => listener(event))
    },
    emit,

    signedIn(user, session) {
      const previous = state.user
      // The same object as before, if it says the same: effects that depend on it do not run again.
      const isSame = JSON.stringify(previous) === JSON.stringify(user)
      change({ status: 'signed-in', user: (isSame && previous) || user, session })
      if (!previous) emit('signed-in', { user })
      else if (previous.sub !== user.sub) emit('user-changed', { user, previous })
    },

    signedOut(reason) {
      const { user } = state
      if (state.status !== 'signed-out') change({ status: 'signed-out' })
      if (user) emit('signed-out', { reason })
    },

    sessionMoved(session) {
      if (state.user) change({ status: 'signed-in', user: state.user, session })
    },

    unknown(error) {
      change({ ...state, status: 'unknown', error })
    },
  }
}

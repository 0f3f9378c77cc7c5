import { type SessionData, Store } from 'express-session'
import { AppError, signedOut } from '../../errors.ts'
import { type NewSession, toSessionHandle } from '../../session/session.ts'
import type { SessionStore } from '../../session/store.ts'

declare module 'express-session' {
  interface SessionData {
    /** Set by `BrowserSessions.start` alone; carried to our store by the one `save()` of a login. */
    login?: NewSession
  }
}

/**
 * Lets express-session write into our store, and nothing more. It never emits `disconnect` (express-session would
 * then go on without a session) and never writes a session twice: a request in flight cannot bring an ended session
 * back, nor overwrite tokens that were refreshed meanwhile.
 */
export class ExpressStore extends Store {
  readonly #store: SessionStore

  constructor(store: SessionStore) {
    super()
    this.#store = store
  }

  override get(id: string, callback: (error: unknown, session?: SessionData | null) => void): void {
    answer(callback, async () => {
      const session = await this.#store.read(toSessionHandle(id))
      return session === undefined ? null : ({ cookie: {} } as SessionData)
    })
  }

  override set(id: string, { login }: SessionData, callback: (error?: unknown) => void = () => {}): void {
    answer(callback, async () => {
      const outcome = login === undefined ? 'created' : await this.#store.create(toSessionHandle(id), login)
      if (outcome === 'cut-off') throw signedOut()
      if (outcome === 'created') return
      throw new AppError('store_unavailable', 'The new session could not be kept.', {
        reason: 'handle is in use',
      })
    })
  }

  override destroy(id: string, callback: (error?: unknown) => void = () => {}): void {
    answer(callback, async () => {
      await this.#store.end(toSessionHandle(id))
    })
  }
}

/** Answers a Node-style callback from a promise; an error thrown by the callback itself is not caught here. */
function answer<T>(callback: (error: unknown, value?: T) => void, work: () => Promise<T>): void {
  work().then(
    (value) => setImmediate(callback, null, value),
    (error: unknown) => setImmediate(callback, error),
  )
}

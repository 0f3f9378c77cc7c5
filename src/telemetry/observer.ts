import { AppError } from '../errors.ts'

/**
 * Receives what took time: how long, and how it ended. Metrics and spans are made of it. It is called on the
 * path of every session check, so that an implementation does little.
 *
 * `startedAt` and `endedAt` are readings of `performance.now()`, in milliseconds. `outcome` is `ok`, or a
 * word of a closed list: the code of an AppError, never a text from outside.
 */
export interface Observer {
  /** A request has its response, or its client has gone (status 0). */
  httpRequest(request: ObservedRequest): void
  /** A call of a provider has ended. */
  providerCall(call: ObservedProviderCall): void
  /** A command of the store has ended; `command` is the name of the script or the command. */
  storeCommand(command: ObservedCall & { command: string }): void
  /** A request has waited for the tokens of its session, because another one refreshed them. */
  tokenLock(wait: ObservedCall): void
  /** A step of a login has ended. */
  loginStep(step: ObservedCall & { provider: string; step: LoginStep }): void
  /** A call of an upstream has its response, or has failed. */
  proxiedCall(call: ObservedCall & { route: string }): void
  /** A reverse proxy was answered whether a request may pass. */
  forwardAuth(decision: { outcome: string }): void
}

/** What is observed of each operation. */
export interface ObservedCall {
  startedAt: number
  endedAt: number
  outcome: string
}

/** What is observed of each call of a provider. */
interface ObservedProviderCall extends ObservedCall {
  provider: string
  endpoint: ProviderEndpoint
  method: string
  /** Where it went, if the address is one; the rest of it may contain a secret. */
  origin: string | undefined
  /** Undefined where no usable response came. */
  status: number | undefined
}

/** What is observed of each request. */
interface ObservedRequest {
  method: string
  /**
   * The address as `routes.ts` writes it, so that there are few; `(app)` for the app's, `(none)` where no
   * route has it.
   */
  route: string
  status: number
  startedAt: number
  endedAt: number
}

/** What a provider was called for. */
export type ProviderEndpoint = 'discovery' | 'jwks' | 'par' | 'token' | 'userinfo' | 'revocation'

/** The steps of a login, from the provider's redirect on; `authorize` is the time that the user took. */
export type LoginStep = 'authorize' | 'exchange' | 'userinfo' | 'store'

/** Observes nothing. */
export const noObserver: Observer = {
  httpRequest() {},
  providerCall() {},
  storeCommand() {},
  tokenLock() {},
  loginStep() {},
  proxiedCall() {},
  forwardAuth() {},
}

/** Does work, and reports how long it took and how it ended: `ok`, or the code of its error. */
export async function observeWork<T>(
  work: () => Promise<T>,
  report: (call: ObservedCall) => void,
): Promise<T> {
  const startedAt = performance.now()
  const end = (outcome: string) => report({ startedAt, endedAt: performance.now(), outcome })
  try {
    const result = await work()
    end('ok')
    return result
  } catch (error) {
    end(error instanceof AppError ? error.code : 'internal_error')
    throw error
  }
}

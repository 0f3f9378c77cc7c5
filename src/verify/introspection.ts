import type { Clock } from '../clock.ts'
import { createExpiringMap } from '../expiring-map.ts'
import type { AppTokenClaims } from './app-token-verifier.ts'

/** How an API asks Portico whether a token's session is still alive (RFC 7662). */
export interface IntrospectionOptions {
  /** One of INTROSPECTION_CLIENTS, and its secret. */
  clientId: string
  clientSecret: string
  /** Where to ask; `{issuer}/api/introspect` by default. */
  endpoint?: string
  /** Milliseconds for which "alive" is believed without asking again, 10 seconds by default; at most a minute. */
  cacheFor?: number
}

/** Whether the session of a verified token is alive. Throws where that cannot be found out. */
export type AskIfAlive = (token: string, claims: AppTokenClaims) => Promise<boolean>

const askTimeout = 3_000
const longestCache = 60_000
/** Tokens whose state is remembered; beyond, each call asks. */
const maxRemembered = 10_000

/** Creates the question. Calls that come at once share one answer; a session that is over stays over. */
export function createIntrospectionClient(
  { clientId, clientSecret, cacheFor = 10_000, endpoint }: IntrospectionOptions,
  { issuer, clock }: { issuer: string; clock: Clock },
): AskIfAlive {
  if (!(cacheFor >= 0 && cacheFor <= longestCache)) {
    throw new TypeError('introspection.cacheFor must lie between 0 and 60000 milliseconds')
  }
  if (!clientId || !clientSecret) {
    throw new TypeError('introspection needs a clientId and a clientSecret, of INTROSPECTION_CLIENTS')
  }
  const url = endpoint ?? `${issuer}/api/introspect`
  const encode = (text: string) => encodeURIComponent(text)
  const credentials = Buffer.from(`${encode(clientId)}:${encode(clientSecret)}`).toString('base64')
  const known = createExpiringMap<boolean>(clock, maxRemembered)
  const inFlight = new Map<string, Promise<boolean>>()

  async function ask(token: string): Promise<boolean> {
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Basic ${credentials}`, accept: 'application/json' },
      body: new URLSearchParams({ token, token_type_hint: 'access_token' }),
      signal: AbortSignal.timeout(askTimeout),
      redirect: 'error',
    })
    if (response.status === 401) {
      throw new Error(`Introspection at ${issuer} does not know ${clientId}, or not by this secret`)
    }
    if (!response.ok) throw new Error(`Introspection at ${issuer} answered with status ${response.status}`)
    const { active } = (await response.json()) as { active?: unknown }
    if (typeof active !== 'boolean') throw new Error(`Introspection at ${issuer} answered without "active"`)
    return active
  }

  return async (token, { jti, exp }) => {
    const remembered = known.get(jti)
    if (remembered !== undefined) return remembered
    // Without a cache, nobody takes an answer to a question that was asked before.
    if (cacheFor === 0) return ask(token)
    const running = inFlight.get(jti)
    if (running !== undefined) return running
    const asked = ask(token).finally(() => inFlight.delete(jti))
    inFlight.set(jti, asked)
    const isAlive = await asked
    const until = isAlive ? clock.now() + cacheFor : exp * 1000
    known.set(jti, isAlive, until)
    return isAlive
  }
}

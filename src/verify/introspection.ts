import type { Clock } from '../clock.ts'
import { createExpiringMap } from '../expiring-map.ts'
import type { AppTokenClaims } from './claims.ts'

/**
 * How an API asks Portico whether the session of a token is alive (RFC 7662).
 *
 * @example
 * requireToken({
 *   issuer: 'https://app.example.com',
 *   introspection: { clientId: 'orders-api', clientSecret: secret },
 * })
 */
export interface IntrospectionOptions {
  /** The id of an entry in Portico's INTROSPECTION_CLIENTS. */
  clientId: string
  /** The secret of that entry. */
  clientSecret: string
  /** The introspection endpoint; by default, the one in the metadata of the issuer (RFC 8414). */
  endpoint?: string
  /**
   * Milliseconds for which "alive" is believed without asking again; 10 seconds by default, at most a minute.
   * With 0, every request asks.
   */
  cacheFor?: number
}

/** Says whether the session of a verified token is alive; rejects where Portico could not be asked. */
export type IsSessionActive = (token: string, claims: AppTokenClaims) => Promise<boolean>

/** Milliseconds that one introspection may take. */
const timeout = 3_000
/** Milliseconds. */
const maxCacheFor = 60_000
/** Tokens whose state is remembered. Beyond that number, every request asks. */
const maxRemembered = 10_000

/**
 * Creates the introspection client. Concurrent requests with one token share one introspection. A session
 * that has ended stays ended, so that this answer is remembered until the token expires.
 *
 * @throws TypeError where an option is missing or out of range
 */
export function createIntrospectionClient(
  options: IntrospectionOptions,
  { issuer, clock }: { issuer: string; clock: Clock },
): IsSessionActive {
  assertValid(options)
  const { cacheFor = 10_000 } = options
  const findEndpoint = createEndpointLookup(issuer, options.endpoint)
  const known = createExpiringMap<boolean>(clock, maxRemembered)
  const inFlight = new Map<string, Promise<boolean>>()

  return async (token, { jti, exp }) => {
    const remembered = known.get(jti)
    if (remembered !== undefined) return remembered
    // With cacheFor 0, each request asks for itself: a shared answer may be older than the request.
    if (cacheFor === 0) return introspect(token)
    const running = inFlight.get(jti)
    if (running !== undefined) return running
    const started = introspect(token).finally(() => inFlight.delete(jti))
    inFlight.set(jti, started)
    const isActive = await started
    known.set(jti, isActive, isActive ? clock.now() + cacheFor : exp * 1000)
    return isActive
  }

  async function introspect(token: string): Promise<boolean> {
    const response = await fetch(await findEndpoint(), {
      method: 'POST',
      headers: { authorization: toBasic(options), accept: 'application/json' },
      body: new URLSearchParams({ token, token_type_hint: 'access_token' }),
      signal: AbortSignal.timeout(timeout),
      redirect: 'error',
    })
    if (response.status === 401) {
      throw new Error(`Introspection at ${issuer} does not know ${options.clientId} with this secret`)
    }
    if (!response.ok) throw new Error(`Introspection at ${issuer} answered with status ${response.status}`)
    const { active } = (await response.json()) as { active?: unknown }
    if (typeof active !== 'boolean') throw new Error(`Introspection at ${issuer} answered without "active"`)
    return active
  }
}

/** Creates the function that returns the endpoint. The metadata is read once, when the first token comes. */
function createEndpointLookup(issuer: string, given: string | undefined): () => Promise<string> {
  let found = given === undefined ? undefined : Promise.resolve(given)
  return () => {
    found ??= readEndpoint(issuer).catch((error: unknown) => {
      found = undefined
      throw error
    })
    return found
  }
}

async function readEndpoint(issuer: string): Promise<string> {
  const address = `${issuer}/.well-known/oauth-authorization-server`
  const response = await fetch(address, { signal: AbortSignal.timeout(timeout), redirect: 'error' })
  if (!response.ok) throw new Error(`The metadata of ${issuer} answered with status ${response.status}`)
  const metadata = (await response.json()) as { issuer?: unknown; introspection_endpoint?: unknown }
  const { introspection_endpoint: endpoint } = metadata
  // The secret of this API goes there: to the issuer itself and nowhere else (RFC 8414 3.3).
  if (metadata.issuer === issuer && typeof endpoint === 'string' && endpoint.startsWith(`${issuer}/`))
    return endpoint
  throw new Error(`The metadata of ${issuer} names no introspection endpoint below it`)
}

function assertValid({ clientId, clientSecret, cacheFor = 0 }: IntrospectionOptions): void {
  if (!(cacheFor >= 0 && cacheFor <= maxCacheFor)) {
    throw new TypeError('introspection.cacheFor must be between 0 and 60000 milliseconds')
  }
  if (!clientId || !clientSecret) {
    throw new TypeError(
      'introspection needs the clientId and clientSecret of an entry in INTROSPECTION_CLIENTS',
    )
  }
}

/** HTTP Basic with both parts form-encoded, as OAuth defines it (RFC 6749 2.3.1). */
function toBasic({ clientId, clientSecret }: IntrospectionOptions): string {
  const credentials = `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`
  return `Basic ${Buffer.from(credentials).toString('base64')}`
}

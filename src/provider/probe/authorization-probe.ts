import type { Clock } from '../../clock.ts'
import { isSignedMode, type ProviderConfig } from '../../config/providers/provider-config.ts'
import { randomToken } from '../../crypto/hash.ts'
import { AppError } from '../../errors.ts'
import { createJwksCache } from '../../jwks/jwks-cache.ts'
import type { LogEvent, LogFields } from '../../telemetry/events.ts'
import { toClientSecret } from '../client/client-authentication.ts'
import type { DpopKeys } from '../client/dpop-keys.ts'
import { createAuthorizationStart } from '../grants/authorization-request.ts'
import { createResponseCheck } from '../grants/authorization-response.ts'
import type { Discovery } from '../metadata/discovery.ts'
import { createKeysFetch } from '../tokens/fetch-jwks.ts'
import { createCircuitBreaker } from '../transport/circuit-breaker.ts'
import type { ProviderFetch } from '../transport/fetch.ts'
import { isRefusal, type ProbeRefusal, toRefusal } from './probe-refusal.ts'
import { type ProbedAnswer, type ProbedDocument, readPostedAnswer, readRedirect } from './probed-answer.ts'

/** How a login without a user ended. */
type Outcome =
  /** The provider sent the browser back here; `untrusted` is why a login would refuse that answer. */
  | { outcome: 'returned'; refusal: ProbeRefusal; untrusted?: string | undefined }
  /** It refused the pushed request (RFC 9126 2.3). */
  | { outcome: 'push refused'; refusal: ProbeRefusal }
  /** It sent the browser to a page of its own. */
  | { outcome: 'sent elsewhere' }
  /** It sent the browser to a page of its own with an error in the URL; `text` is the whole error. */
  | { outcome: 'sent to an error'; refusal: ProbeRefusal; text: string }
  /** It showed a page. */
  | { outcome: 'page'; status: number; text: string }

/** The same, and why the request was not pushed, if the provider's metadata promises that but it failed. */
export type AuthorizationAnswer = Outcome & { unpushed?: string }

interface AuthorizationProbeOptions {
  config: ProviderConfig
  discovery: Discovery
  dpopKeys: DpopKeys
  clock: Clock
  fetch: ProviderFetch
  /** Opens an address as a browser does. */
  get(url: string): Promise<ProbedDocument>
}

/** Creates what begins a login without a user, and reads where it ends. */
export function createAuthorizationProbe({
  config,
  discovery,
  dpopKeys,
  clock,
  fetch,
  get,
}: AuthorizationProbeOptions) {
  const keys = createJwksCache({ fetchKeys: createKeysFetch(discovery, fetch), clock, log: () => {} })
  const checkResponse = createResponseCheck({ config, discovery, keys, clock })

  return async (): Promise<AuthorizationAnswer> => {
    let unpushed: { unpushed?: string } = {}
    const startAuthorization = createAuthorizationStart({
      config,
      discovery,
      clock,
      dpopKeys,
      breaker: createCircuitBreaker({ clock, opensOn: [] }),
    })
    const request = {
      state: randomToken(),
      nonce: randomToken(),
      codeChallenge: randomToken(),
      parameters: { prompt: 'none' },
      log: (_event: LogEvent, { reason }: LogFields = {}) => {
        unpushed = { unpushed: String(reason) }
      },
    }
    try {
      const { url } = await startAuthorization(request)
      return { ...(await toOutcome(await get(url), new URL(url))), ...unpushed }
    } catch (error) {
      const cause = error instanceof AppError ? error.cause : undefined
      if (!isRefusal(cause)) throw error
      return { outcome: 'push refused', refusal: toRefusal(cause, [toClientSecret(config.clientAuth)]) }
    }
  }

  async function toOutcome(document: ProbedDocument, url: URL): Promise<Outcome> {
    const posted = readPostedAnswer(document, config.redirectUri)
    if (posted !== undefined) return toReturned(posted)
    const redirect = readRedirect(document, url)
    if (redirect === undefined) return { outcome: 'page', status: document.status, text: document.text }
    const { to, refusal, text } = redirect
    if (to.origin + to.pathname === config.redirectUri) return toReturned(redirect)
    return refusal === undefined
      ? { outcome: 'sent elsewhere' }
      : { outcome: 'sent to an error', refusal, text }
  }

  async function toReturned(answer: ProbedAnswer): Promise<Outcome> {
    const { refusal = { error: 'none', description: '' } } = answer
    const untrusted = isSignedMode(config.responseMode) ? await findDistrust(answer) : undefined
    return { outcome: 'returned', refusal, untrusted }
  }

  /** Why a login would refuse an answer (JARM 2.4). */
  async function findDistrust({ iss, jwt }: ProbedAnswer): Promise<string | undefined> {
    try {
      await checkResponse({ iss, jwt })
      return undefined
    } catch (error) {
      if (error instanceof AppError && error.code !== 'provider_unavailable')
        return error.reason ?? error.code
      throw error
    }
  }
}

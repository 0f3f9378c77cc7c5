import { randomBytes } from 'node:crypto'
import * as client from 'openid-client'
import type { Clock } from '../clock.ts'
import type { ProviderConfig } from '../config/provider-config.ts'
import { AppError } from '../errors.ts'
import { createAuthorizationStart } from './authorization.ts'
import { usesDpop } from './capabilities.ts'
import { createCircuitBreaker } from './circuit-breaker.ts'
import { toSentSecret } from './client-auth.ts'
import { createDiscovery, type DiscoveredProvider } from './discovery.ts'
import { createDpopKeys } from './dpop-keys.ts'
import { toResourceParameters } from './extra-parameters.ts'
import { createProviderFetch, toTls } from './provider-fetch.ts'
import { toRemark } from './remark.ts'
import { toUserinfoUrl } from './user-id.ts'
import { findUserinfoEndpoint } from './userinfo.ts'

/** What came back from an address. */
export interface ProbedDocument {
  status: number
  headers: Headers
  text: string
  /** The middle of the call, in milliseconds since the epoch. */
  at: number
}

/** What the provider said to a request that cannot succeed; its words are made safe to print. */
export interface ProbeRefusal {
  error: string
  description: string
}

/** What became of a login that nobody takes part in. */
export type AuthorizationAnswer =
  /** The provider sent the browser back to us. */
  | { outcome: 'returned'; refusal: ProbeRefusal }
  /** It refused the pushed request (RFC 9126 2.3). */
  | { outcome: 'push refused'; refusal: ProbeRefusal }
  /** It sent the browser to a page of its own. */
  | { outcome: 'sent elsewhere' }
  /** It showed a page. */
  | { outcome: 'page'; status: number; text: string }

/**
 * Looks at a provider from outside, by the same means as a login but without anybody signing in. Every method may throw
 * AppError `provider_unavailable`.
 */
export interface ProviderProbe {
  get(url: string): Promise<ProbedDocument>
  /** The provider, found and judged as the server would do it. */
  discover(): Promise<DiscoveredProvider>
  /** Asks for tokens with a code that cannot be good: the refusal tells whether the client was recognised. */
  tryCode(): Promise<ProbeRefusal>
  /** Begins a silent login (`prompt=none`), and sees where a browser without a session would end. */
  tryAuthorization(): Promise<AuthorizationAnswer>
  /** The status of userinfo for a token that cannot be good; undefined where there is no userinfo. */
  tryUserinfo(): Promise<number | undefined>
  close(): Promise<void>
}

interface ProbeOptions {
  config: ProviderConfig
  secrets: readonly Uint8Array[]
  clock: Clock
}

const randomText = () => randomBytes(32).toString('base64url')

/** Creates the probe of one provider. */
export function createProviderProbe({ config, secrets, clock }: ProbeOptions): ProviderProbe {
  const http = createProviderFetch({ timeout: config.timeout, clock, ...toTls(config) })
  const discovery = createDiscovery({ config, fetch: http.fetch, clock, log: () => {} })
  const dpopKeys = createDpopKeys(secrets)
  const startAuthorization = createAuthorizationStart({
    config,
    discovery,
    dpopKeys,
    breaker: createCircuitBreaker({ clock, opensOn: [] }),
    log: () => {},
  })

  async function get(url: string): Promise<ProbedDocument> {
    const sentAt = clock.now()
    const response = await http.fetch(url, { headers: { accept: 'application/json, text/html;q=0.9' } })
    const at = (sentAt + clock.now()) / 2
    return { status: response.status, headers: response.headers, text: await response.text(), at }
  }

  return {
    get,
    discover: () => discovery.provider(),

    async tryCode() {
      const provider = await discovery.provider()
      const dpop = usesDpop(config, provider) ? { DPoP: (await dpopKeys.find()).handle } : {}
      const [state, code] = [randomText(), randomText()]
      const response = new URL(config.redirectUri)
      response.search = new URLSearchParams({ state, code, iss: config.issuer }).toString()
      const resources = toResourceParameters(config)
      const checks = { expectedState: state, ...(config.pkce ? { pkceCodeVerifier: randomText() } : {}) }
      try {
        await client.authorizationCodeGrant(provider.configuration, response, checks, resources, dpop)
        return { error: 'none', description: 'a random code was accepted' }
      } catch (error) {
        return toRefusal(error, [code, toSentSecret(config.clientAuth)])
      }
    },

    async tryAuthorization() {
      const request = {
        state: randomText(),
        nonce: randomText(),
        codeChallenge: randomText(),
        parameters: { prompt: 'none' },
      }
      try {
        const { url } = await startAuthorization(request)
        return toAuthorizationAnswer(await get(url.href), config.redirectUri)
      } catch (error) {
        const isRefusal = error instanceof AppError && error.cause instanceof client.ClientError
        const isAnswer = error instanceof AppError && error.cause instanceof client.ResponseBodyError
        if (!isRefusal && !isAnswer) throw error
        return { outcome: 'push refused', refusal: toRefusal(error.cause, [toSentSecret(config.clientAuth)]) }
      }
    },

    async tryUserinfo() {
      const endpoint = findUserinfoEndpoint(config, await discovery.provider())
      if (endpoint === undefined) return undefined
      const headers = { accept: 'application/json', authorization: `Bearer ${randomText()}` }
      const { status } = await http.fetch(toUserinfoUrl(endpoint, 'portico-doctor').href, { headers })
      return status
    },

    async close() {
      discovery.stop()
      await http.close()
    },
  }
}

/** The provider's refusal. Throws what is none. */
function toRefusal(error: unknown, secrets: readonly string[]): ProbeRefusal {
  if (error instanceof client.ResponseBodyError) {
    return {
      error: toRemark(error.error, '', []),
      description: toRemark('', error.error_description, secrets),
    }
  }
  if (error instanceof client.WWWAuthenticateChallengeError) {
    return { error: 'invalid_client', description: `status ${error.status} with a challenge` }
  }
  if (error instanceof Error && error.cause instanceof AppError) throw error.cause
  if (error instanceof client.ClientError) return toMalformed(error)
  throw error
}

/** An answer that no token endpoint gives. */
function toMalformed({ code = '', cause }: client.ClientError): ProbeRefusal {
  const status = cause instanceof Response ? ` (status ${cause.status})` : ''
  return { error: 'malformed', description: `${code}${status}` }
}

function toAuthorizationAnswer(
  { status, headers, text }: ProbedDocument,
  redirectUri: string,
): AuthorizationAnswer {
  const location = headers.get('location')
  if (status < 300 || status >= 400 || location === null) return { outcome: 'page', status, text }
  const url = URL.parse(location)
  if (url === null || url.origin + url.pathname !== redirectUri) return { outcome: 'sent elsewhere' }
  const error = url.searchParams.get('error') ?? 'none'
  const description = url.searchParams.get('error_description') ?? ''
  return {
    outcome: 'returned',
    refusal: { error: toRemark(error, '', []), description: toRemark('', description, []) },
  }
}

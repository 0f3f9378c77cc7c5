import * as client from 'openid-client'
import type { Clock } from '../../clock.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { randomToken } from '../../crypto/hash.ts'
import { toClientSecret } from '../client/client-authentication.ts'
import { createDpopKeys, toDpopOption } from '../client/dpop-keys.ts'
import { toResourceParameters } from '../grants/configured-parameters.ts'
import { toUserinfoUrl } from '../identity/user-id.ts'
import { findUserinfoEndpoint } from '../identity/userinfo.ts'
import { usesDpop } from '../metadata/capabilities.ts'
import { type AuthorizationServer, createDiscovery } from '../metadata/discovery.ts'
import { createProviderFetch, toTransport } from '../transport/fetch.ts'
import { type AuthorizationAnswer, createAuthorizationProbe } from './authorization-probe.ts'
import { type ProbeRefusal, toRefusal } from './probe-refusal.ts'
import type { ProbedDocument } from './probed-answer.ts'

/**
 * Examines a provider for the doctor, with the same code as a login but without a user. Every method may
 * throw AppError `provider_unavailable`.
 */
export interface ProviderProbe {
  get(url: string): Promise<ProbedDocument>
  /** The provider's metadata, fetched and checked as the server does it. */
  discover(): Promise<AuthorizationServer>
  /**
   * Sends a random code to the token endpoint: the refusal shows whether the provider recognises the client.
   */
  tryCode(): Promise<ProbeRefusal>
  /** Revokes a random token (RFC 7009 2.2): undefined if the provider does not refuse. */
  tryRevocation(): Promise<ProbeRefusal | undefined>
  /** Begins a silent login (`prompt=none`), and returns where a browser without a session would end. */
  tryAuthorization(): Promise<AuthorizationAnswer>
  /**
   * The status of userinfo for an access token that no provider issued; undefined where there is no userinfo.
   */
  tryUserinfo(): Promise<number | undefined>
  /** Host and port of each forward proxy that its calls went through or tried to. */
  triedProxies: ReadonlySet<string>
  close(): Promise<void>
}

interface ProbeOptions {
  config: ProviderConfig
  secrets: readonly Uint8Array[]
  clock: Clock
}

/** Creates the probe of one provider. */
export function createProviderProbe({ config, secrets, clock }: ProbeOptions): ProviderProbe {
  const http = createProviderFetch({ ...toTransport(config), clock })
  const discovery = createDiscovery({ config, fetch: http.fetch, clock, log: () => {} })
  const dpopKeys = createDpopKeys(secrets)
  const secret = toClientSecret(config.clientAuth)

  async function get(url: string): Promise<ProbedDocument> {
    const sentAt = clock.now()
    const response = await http.fetch(url, { headers: { accept: 'application/json, text/html;q=0.9' } })
    const at = (sentAt + clock.now()) / 2
    return { status: response.status, headers: response.headers, text: await response.text(), at }
  }

  return {
    get,
    discover: () => discovery.server(),

    async tryCode() {
      const server = await discovery.server()
      const dpop = usesDpop(config, server) ? await dpopKeys.find() : undefined
      const [state, code] = [randomToken(), randomToken()]
      const response = new URL(config.redirectUri)
      response.search = new URLSearchParams({ state, code, iss: config.issuer }).toString()
      const resources = toResourceParameters(config)
      const checks = { expectedState: state, ...(config.pkce ? { pkceCodeVerifier: randomToken() } : {}) }
      try {
        await client.authorizationCodeGrant(
          server.configuration,
          response,
          checks,
          resources,
          toDpopOption(dpop),
        )
        return { error: 'none', description: 'a random code was accepted' }
      } catch (error) {
        return toRefusal(error, [code, secret])
      }
    },

    async tryRevocation() {
      const { configuration } = await discovery.server()
      const token = randomToken()
      try {
        await client.tokenRevocation(configuration, token, { token_type_hint: 'refresh_token' })
        return undefined
      } catch (error) {
        return toRefusal(error, [token, secret])
      }
    },

    tryAuthorization: createAuthorizationProbe({
      config,
      discovery,
      dpopKeys,
      clock,
      fetch: http.fetch,
      get,
    }),

    async tryUserinfo() {
      const endpoint = findUserinfoEndpoint(config, await discovery.server())
      if (endpoint === undefined) return undefined
      const headers = { accept: 'application/json', authorization: `Bearer ${randomToken()}` }
      const { status } = await http.fetch(toUserinfoUrl(endpoint, 'portico-doctor').href, { headers })
      return status
    },

    triedProxies: http.triedProxies,

    async close() {
      discovery.stop()
      await http.close()
    },
  }
}

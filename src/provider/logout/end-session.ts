import { decodeJwt } from 'jose'
import * as client from 'openid-client'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import type { Discovery } from '../metadata/discovery.ts'

/**
 * A logout request (OpenID Connect RP-Initiated Logout 1.0, 2), and where the browser comes back afterwards.
 */
export interface EndSessionRequest {
  /** Of the session that ends; it was verified when it arrived. */
  idToken: string | undefined
  state: string
  postLogoutRedirectUri: string
}

interface EndSessionOptions {
  config: Pick<ProviderConfig, 'issuer' | 'logoutHint' | 'logoutParams'>
  discovery: Discovery
}

/** Creates the use of one provider's logout endpoint (OpenID Connect RP-Initiated Logout 1.0, 2). */
export function createEndSession({ config, discovery }: EndSessionOptions) {
  const { issuer, logoutHint, logoutParams } = config

  return {
    /** The origins of the provider's pages, which may show a page of this server in a frame. */
    async pageOrigins(): Promise<string[]> {
      const { metadata } = await discovery.server()
      return [issuer, metadata.end_session_endpoint ?? issuer].map((url) => new URL(url).origin)
    },

    /**
     * The logout URL; undefined if the provider has none. Without an ID token, the provider may ask the user.
     */
    async toEndSessionUrl({
      idToken,
      state,
      postLogoutRedirectUri,
    }: EndSessionRequest): Promise<URL | undefined> {
      const { configuration, metadata } = await discovery.server()
      if (metadata.end_session_endpoint === undefined) return undefined
      // openid-client adds the client_id.
      const toUrl = (hint: { id_token_hint?: string; logout_hint?: string }) =>
        client.buildEndSessionUrl(configuration, {
          ...Object.fromEntries(logoutParams),
          ...hint,
          post_logout_redirect_uri: postLogoutRedirectUri,
          state,
        })
      if (idToken === undefined) return toUrl({})
      const url = toUrl({ id_token_hint: idToken })
      const isShort = url.href.length <= maxUrlLength
      const sendsIdToken = logoutHint === 'id_token' || (logoutHint === 'auto' && isShort)
      return sendsIdToken ? url : toUrl(toLogoutHint(idToken))
    },
  }
}

/** Characters of a URL that every server on the way accepts; some providers refuse much longer ones. */
const maxUrlLength = 2_000

/**
 * The claims of an ID token by which providers recognise a user at a logout, the best one first: Microsoft
 * Entra ID expects its `login_hint`, Auth0 its `sid`.
 */
const hintClaims = ['login_hint', 'sid', 'preferred_username', 'email']

/**
 * Names the user without the ID token; each provider defines what it accepts (RP-Initiated Logout 1.0, 2).
 */
function toLogoutHint(idToken: string): { logout_hint?: string } {
  const claims = decodeJwt(idToken)
  const hint = hintClaims
    .map((name) => claims[name])
    .find((value) => typeof value === 'string' && value !== '')
  return typeof hint === 'string' ? { logout_hint: hint } : {}
}

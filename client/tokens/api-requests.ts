import { throwNetworkError } from '../call.ts'
import type { Portico, TokenOptions } from '../types.ts'
import type { GetDpopKey } from './lazy-key.ts'
import type { HeldToken } from './tokens.ts'

interface ApiRequestsOptions {
  apiOrigins: readonly string[]
  getToken(options?: TokenOptions): Promise<HeldToken>
  getKey: GetDpopKey | undefined
  login: Portico['login']
}

/** Creates the requests to the app's APIs: the token goes to `apiOrigins` and nowhere else. */
export function createApiRequests({
  apiOrigins,
  getToken,
  getKey,
  login,
}: ApiRequestsOptions): Pick<Portico, 'fetch' | 'authHeaders'> {
  const isApi = (url: URL) =>
    apiOrigins.some((origin) => url.origin === (origin === 'self' ? location.origin : origin))

  async function toHeaders(url: URL, method: string, held: HeldToken): Promise<Record<string, string>> {
    const { token, token_type: type } = held
    const key = type === 'DPoP' ? await getKey?.() : undefined
    return { Authorization: `${type} ${token}`, ...(key && { DPoP: await key.prove(url, method, token) }) }
  }

  async function send(request: Request, options: TokenOptions): Promise<Response> {
    const held = await getToken(options)
    const url = new URL(request.url)
    const headers = await toHeaders(url, request.method, held)
    for (const [name, value] of Object.entries(headers)) request.headers.set(name, value)
    const response = await fetch(request).catch(throwNetworkError)
    if (held.token_type === 'DPoP') (await getKey?.())?.noteNonce(url, response, held.token)
    return response
  }

  return {
    async fetch(input, init, options = {}) {
      const request = new Request(input, init)
      if (!isApi(new URL(request.url))) return fetch(request)
      // A request can be sent once: the spare ones are for a nonce of the API, and for a fresh token.
      let response = await send(request.clone(), options)
      if (readChallenge(response).includes('use_dpop_nonce')) response = await send(request.clone(), options)
      const challenge = readChallenge(response)
      if (challenge.includes('insufficient_user_authentication')) {
        // Rarely needed: a file of its own, as the code for keys.
        const { stepUp } = await import('./step-up.ts').catch(throwNetworkError)
        await stepUp(challenge, login)
        return response
      }
      return response.status === 401 ? send(request, { ...options, fresh: true }) : response
    },

    async authHeaders(url, method = 'GET', options = {}) {
      const address = new URL(url, location.href)
      return isApi(address) ? toHeaders(address, method, await getToken(options)) : {}
    },
  }
}

const readChallenge = ({ status, headers }: Response) =>
  status === 401 ? (headers.get('WWW-Authenticate') ?? '') : ''

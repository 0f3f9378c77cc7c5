import { throwNetworkError } from '../call.ts'
import type { Portico, TokenOptions } from '../types.ts'
import type { GetDpopKey } from './lazy-key.ts'
import type { HeldToken } from './tokens.ts'

interface ApiRequestsOptions {
  apiOrigins: readonly string[]
  /** With `sub`, only a token of that user. */
  getToken(options?: TokenOptions, sub?: string): Promise<HeldToken>
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

  const getKeyOf = async ({ token_type: type }: HeldToken) => (type === 'DPoP' ? getKey?.() : undefined)

  async function toHeaders(url: URL, method: string, held: HeldToken): Promise<Record<string, string>> {
    const { token, token_type: type } = held
    const key = await getKeyOf(held)
    return { Authorization: `${type} ${token}`, ...(key && { DPoP: await key.prove(url, method, token) }) }
  }

  return {
    async fetch(input, init, options = {}) {
      const request = new Request(input, init)
      const url = new URL(request.url)
      if (!isApi(url)) return fetch(request)
      /** The token that was sent last: the request is sent once more for the same user only. */
      let held: HeldToken | undefined
      async function send(copy: Request, tokenOptions = options): Promise<Response> {
        held = await getToken(tokenOptions, held?.sub)
        const headers = await toHeaders(url, copy.method, held)
        for (const [name, value] of Object.entries(headers)) copy.headers.set(name, value)
        const answer = await fetch(copy).catch(throwNetworkError)
        const key = await getKeyOf(held)
        key?.noteNonce(url, answer, held.token)
        return answer
      }
      // A request can be sent once: the spare ones are for a nonce of the API, and for a fresh token.
      let response = await send(request.clone())
      if (readChallenge(response).includes('use_dpop_nonce')) response = await send(request.clone())
      const challenge = readChallenge(response)
      if (challenge.includes('insufficient_user_authentication')) {
        // Rarely needed: a file of its own, as the code for keys.
        const { stepUp } = await import('./step-up.ts').catch(throwNetworkError)
        await stepUp(challenge, login, held?.token)
        return response
      }
      return response.status === 401 ? send(request, { ...options, fresh: true }) : response
    },

    async authHeaders(url, method = 'GET', options = {}) {
      const address = new URL(url, location.href)
      return isApi(address) ? toHeaders(address, method.toUpperCase(), await getToken(options)) : {}
    },
  }
}

const readChallenge = ({ status, headers }: Response) =>
  status === 401 ? (headers.get('WWW-Authenticate') ?? '') : ''

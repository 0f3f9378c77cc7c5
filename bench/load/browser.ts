import { type Answer, type Connection, readHeader, readSetCookies } from './connection.ts'

/** What a kind of server needs for each call: addresses, and headers beside Host and Cookie. */
export interface Dialect {
  /** Answers who is signed in. */
  check: string
  /** Begins a login. */
  login: string
  /** Headers that every call of a page sends. */
  headers: Readonly<Record<string, string>>
  /** Gets a new app token; refreshes the provider's tokens first where they have expired. */
  token?: { method: 'GET' | 'POST'; path: string }
  /** Whether the server answers a page's fetch with JSON, so that the page forwards the code by POST. */
  forwardsCode: boolean
}

/** A browser as the load generator plays it: cookies, and the two calls of a login. */
export interface Browser {
  beginLogin(): Promise<Answer>
  /** Begins a login, plays the provider's page, and brings the code. `kind` chooses the tokens' lifetime. */
  signIn(kind: 'fresh' | 'expired'): Promise<void>
  /** The request that checks the session, as text: it is the same for each call. */
  checkRequest(): string
  tokenRequest(): string
}

/** Creates a browser without cookies. */
export function createBrowser(connection: Connection, port: number, dialect: Dialect): Browser {
  const cookies = new Map<string, string>()
  const fixed = Object.entries({ Host: `127.0.0.1:${port}`, ...dialect.headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')

  return {
    beginLogin: () => call('GET', dialect.login),

    async signIn(kind) {
      const begun = await call('GET', dialect.login)
      const location = readHeader(begun.head, 'location') ?? readLoginUrl(begun)
      const { searchParams } = new URL(location)
      const state = searchParams.get('state') ?? ''
      const redirect = new URL(searchParams.get('redirect_uri') ?? '')
      // The stub provider takes the nonce from the code: its own page would only cost time.
      const code = `${kind}.${searchParams.get('nonce') ?? ''}`
      const answer = dialect.forwardsCode
        ? await call('POST', redirect.pathname, JSON.stringify({ code, state }))
        : await call('GET', `${redirect.pathname}?${new URLSearchParams({ code, state })}`)
      const expected = dialect.forwardsCode ? 200 : 302
      if (answer.status !== expected) throw new Error(`login: ${answer.head}\n${answer.body.slice(0, 300)}`)
    },

    checkRequest: () => toRequest('GET', dialect.check),
    tokenRequest: () => toRequest(dialect.token?.method ?? 'GET', dialect.token?.path ?? '/'),
  }

  async function call(method: string, path: string, body?: string): Promise<Answer> {
    const answer = await connection.send(toRequest(method, path, body))
    for (const [name, value] of readSetCookies(answer.head)) {
      if (value === undefined) cookies.delete(name)
      else cookies.set(name, value)
    }
    return answer
  }

  function toRequest(method: string, path: string, body?: string): string {
    const cookie =
      cookies.size === 0 ? '' : `Cookie: ${[...cookies].map(([name, value]) => `${name}=${value}`).join('; ')}\r\n`
    const content =
      body === undefined
        ? method === 'POST'
          ? 'Content-Length: 0\r\n'
          : ''
        : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`
    return `${method} ${path} HTTP/1.1\r\n${fixed}${cookie}${content}\r\n${body ?? ''}`
  }
}

function readLoginUrl({ status, head, body }: Answer): string {
  try {
    return JSON.parse(body).login_url
  } catch {
    throw new Error(`login start: status ${status}\n${head}\n${body.slice(0, 300)}`)
  }
}

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
  /** A call of a page that the server passes on to the stub upstream, with a token. */
  proxied: string
  /** What a reverse proxy asks before it lets a request of this browser pass. */
  forwardAuth: {
    path: string
    /** What the proxy adds to the headers of the page. */
    headers: Readonly<Record<string, string>>
    status: number
    /** The answer has this header, which names the user. */
    proof: string
  }
  /** Whether the server answers a page's fetch with JSON, so that the page forwards the code by POST. */
  forwardsCode: boolean
}

/** A browser as the load generator plays it: cookies, and the two calls of a login. */
export interface Browser {
  beginLogin(): Promise<Answer>
  /** Begins a login, plays the provider's page, and brings the code. `kind` chooses the tokens' lifetime. */
  signIn(kind: 'fresh' | 'short'): Promise<void>
  /** The request that checks the session, as text: it is the same for each call. */
  checkRequest(): string
  /** The request for an app token, in the same way. */
  tokenRequest(): string
  /** A call of an API behind the server. */
  proxiedRequest(): string
  /** The request that a reverse proxy sends for this browser. */
  forwardAuthRequest(): string
}

/** Creates a browser without cookies. */
export function createBrowser(connection: Connection, port: number, dialect: Dialect): Browser {
  const cookies = new Map<string, string>()
  const fixed = toHeaders({ Host: `127.0.0.1:${port}`, ...dialect.headers })

  return {
    beginLogin: () => call('GET', dialect.login),

    async signIn(kind) {
      const begun = await call('GET', dialect.login)
      const { searchParams } = new URL(readHeader(begun.head, 'location') ?? readLoginUrl(begun))
      const state = searchParams.get('state') ?? ''
      const redirect = new URL(searchParams.get('redirect_uri') ?? '')
      // The stub provider takes the nonce from the code: its own page would only cost time.
      const code = `${kind}.${searchParams.get('nonce') ?? ''}`
      const answer = dialect.forwardsCode
        ? await call('POST', redirect.pathname, JSON.stringify({ code, state }))
        : await call('GET', `${redirect.pathname}?${new URLSearchParams({ code, state })}`)
      if (answer.status !== (dialect.forwardsCode ? 200 : 302)) throw new Error(describe('a login', answer))
    },

    checkRequest: () => toRequest('GET', dialect.check),
    tokenRequest: () => toRequest(dialect.token?.method ?? 'GET', dialect.token?.path ?? '/'),
    proxiedRequest: () => toRequest('GET', dialect.proxied),
    forwardAuthRequest: () =>
      toRequest('GET', dialect.forwardAuth.path, { more: dialect.forwardAuth.headers }),
  }

  async function call(method: string, path: string, body = ''): Promise<Answer> {
    const answer = await connection.send(toRequest(method, path, { body }))
    for (const [name, value] of readSetCookies(answer.head)) {
      if (value === undefined) cookies.delete(name)
      else cookies.set(name, value)
    }
    return answer
  }

  function toRequest(
    method: string,
    path: string,
    { body = '', more = {} }: { body?: string; more?: Readonly<Record<string, string>> } = {},
  ): string {
    const headers = toHeaders({
      ...more,
      ...(cookies.size > 0 && { Cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') }),
      ...(body !== '' && { 'Content-Type': 'application/json' }),
      ...(method === 'POST' && { 'Content-Length': String(Buffer.byteLength(body)) }),
    })
    return `${method} ${path} HTTP/1.1\r\n${fixed}${headers}\r\n${body}`
  }
}

/** An answer that was not expected, for an error. */
export const describe = (subject: string, { head, body }: Answer): string =>
  `${subject} was answered with\n${head}\n\n${body.slice(0, 300)}`

const toHeaders = (headers: Readonly<Record<string, string>>) =>
  Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')

function readLoginUrl(begun: Answer): string {
  try {
    return JSON.parse(begun.body).login_url
  } catch {
    throw new Error(describe('a login start', begun))
  }
}

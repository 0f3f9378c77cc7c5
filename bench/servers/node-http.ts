import {
  createHash,
  createHmac,
  createPublicKey,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
  verify,
  type webcrypto,
} from 'node:crypto'
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { Pool } from 'undici'

/**
 * The floor: what the calls cost at least in Node, without a framework, without checks beyond the signature of
 * the ID token, and without a log. No server to run.
 */
const port = Number(process.env.PORT)
const issuer = process.env.ISSUER ?? ''
const publicUrl = `http://127.0.0.1:${port}`
const secret = randomBytes(32)
const pool = new Pool(issuer, { connections: 32 })
const upstream = process.env.UPSTREAM ?? ''
const agent = new Agent({ keepAlive: true })
const basic = `Basic ${Buffer.from('bench:bench-secret').toString('base64')}`

interface Session {
  user: Record<string, unknown>
  accessToken: string
  refreshToken: string
  expiresAt: number
}
const logins = new Map<string, { codeVerifier: string; nonce: string }>()
const sessions = new Map<string, Session>()

const { keys } = (await (await fetch(`${issuer}/keys`)).json()) as {
  keys: (webcrypto.JsonWebKey & { kid: string })[]
}
const keyOf = new Map<string, KeyObject>(
  keys.map((jwk) => [jwk.kid, createPublicKey({ key: jwk, format: 'jwk' })]),
)

const random = () => randomBytes(32).toString('base64url')
const sign = (id: string) => createHmac('sha256', secret).update(id).digest('base64url')

function readSession({ headers: { cookie = '' } }: IncomingMessage): Session | undefined {
  const at = cookie.indexOf('session=')
  if (at === -1) return undefined
  const [id = '', signature = ''] =
    cookie
      .slice(at + 8)
      .split(';', 1)[0]
      ?.split('.') ?? []
  const expected = sign(id)
  if (signature.length !== expected.length) return undefined
  return timingSafeEqual(Buffer.from(signature), Buffer.from(expected)) ? sessions.get(id) : undefined
}

function send(res: ServerResponse, status: number, headers: Record<string, string>, body = ''): void {
  res.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) })
  res.end(body)
}

const sendJson = (res: ServerResponse, value: unknown) =>
  send(res, 200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }, JSON.stringify(value))

function startLogin(res: ServerResponse): void {
  const [state, nonce, codeVerifier] = [random(), random(), random()]
  logins.set(state, { nonce, codeVerifier })
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: 'bench',
    redirect_uri: `${publicUrl}/callback`,
    scope: 'openid profile email offline_access',
    state,
    nonce,
    code_challenge: createHash('sha256').update(codeVerifier).digest('base64url'),
    code_challenge_method: 'S256',
  })
  send(res, 302, { Location: `${issuer}/authorize?${query}` })
}

async function requestTokens(form: Record<string, string>) {
  const { body } = await pool.request({
    method: 'POST',
    path: '/token',
    headers: { authorization: basic, 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
  })
  return (await body.json()) as {
    access_token: string
    id_token: string
    refresh_token: string
    expires_in: number
  }
}

function readIdToken(token: string): Record<string, unknown> {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString())
  const key = keyOf.get(kid)
  const isValid =
    key !== undefined &&
    verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'))
  if (!isValid) throw new Error('signature')
  return JSON.parse(Buffer.from(payload, 'base64url').toString())
}

async function finishLogin(query: URLSearchParams, res: ServerResponse): Promise<void> {
  const login = logins.get(query.get('state') ?? '')
  if (login === undefined) return send(res, 400, {})
  logins.delete(query.get('state') ?? '')
  const tokens = await requestTokens({
    grant_type: 'authorization_code',
    code: query.get('code') ?? '',
    redirect_uri: `${publicUrl}/callback`,
    code_verifier: login.codeVerifier,
  })
  const user = readIdToken(tokens.id_token)
  if (user.nonce !== login.nonce) return send(res, 400, {})
  const id = random()
  sessions.set(id, {
    user,
    accessToken: tokens.access_token,
    refreshToken: tokens.refresh_token,
    expiresAt: Date.now() + tokens.expires_in * 1000,
  })
  send(res, 302, { Location: '/', 'Set-Cookie': `session=${id}.${sign(id)}; Path=/; HttpOnly` })
}

async function refresh(session: Session, res: ServerResponse): Promise<void> {
  if (session.expiresAt <= Date.now()) {
    const tokens = await requestTokens({ grant_type: 'refresh_token', refresh_token: session.refreshToken })
    readIdToken(tokens.id_token)
    session.accessToken = tokens.access_token
    session.refreshToken = tokens.refresh_token
    session.expiresAt = Date.now() + tokens.expires_in * 1000
  }
  sendJson(res, { expires_at: session.expiresAt })
}

/** Passes a call on with the user's token, and the answer back. */
function forward({ method, url, headers }: IncomingMessage, session: Session, res: ServerResponse): void {
  const { accept } = headers
  const authorization = `Bearer ${session.accessToken}`
  const sent = accept === undefined ? { authorization } : { authorization, accept }
  const call = request(new URL(url ?? '/', upstream), { method, headers: sent, agent }, (answer) => {
    const { 'content-type': type = '', 'content-length': length = '0' } = answer.headers
    res.writeHead(answer.statusCode ?? 502, { 'Content-Type': type, 'Content-Length': length })
    answer.pipe(res)
  })
  call.on('error', () => send(res, 502, {}))
  call.end()
}

createServer((req, res) => {
  const [path = '', query = ''] = (req.url ?? '').split('?', 2)
  switch (path) {
    case '/login':
      return startLogin(res)
    case '/callback':
      return void finishLogin(new URLSearchParams(query), res)
    case '/me': {
      const session = readSession(req)
      return sendJson(res, session === undefined ? { active: false } : { active: true, user: session.user })
    }
    case '/token': {
      const session = readSession(req)
      return session === undefined ? send(res, 401, {}) : void refresh(session, res)
    }
    case '/auth': {
      const { user } = readSession(req) ?? {}
      return user === undefined
        ? send(res, 401, {})
        : send(res, 200, { 'X-Auth-Subject': String(user.sub), 'X-Auth-Email': String(user.email) })
    }
    case '/orders/1': {
      const session = readSession(req)
      return session === undefined ? send(res, 401, {}) : forward(req, session, res)
    }
    default:
      return send(res, 200, {})
  }
}).listen(port, '127.0.0.1')

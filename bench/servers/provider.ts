import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import { createServer } from 'node:http'

/**
 * The stub provider: it signs tokens at once, and asks nothing. A code is `{kind}.{nonce}`, which the load
 * generator makes: with the kind `fresh`, each login is one of another user, so that no server keeps all
 * sessions below one; with `short`, the tokens of one user expire after a second, the shortest lifetime that
 * every server takes. Access tokens are JWTs of a usual size; ID tokens have every claim that the servers want, so that no
 * server asks for userinfo.
 */
const port = Number(process.env.PORT)
const issuer = `http://127.0.0.1:${port}`
const clientId = process.env.CLIENT_ID ?? 'bench'
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const key = createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }))
const kid = 'bench-1'

const json = (value: unknown) => JSON.stringify(value)
const encode = (value: unknown) => Buffer.from(json(value)).toString('base64url')

function signJwt(typ: string, claims: object): string {
  const input = `${encode({ alg: 'RS256', typ, kid })}.${encode(claims)}`
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`
}

const now = () => Math.floor(Date.now() / 1000)
/** The same in each token: a refreshed one must not change it (OpenID Connect Core 12.2). */
const authTime = now()
const toUser = (number: number) => ({
  sub: `00u${String(number).padStart(17, '0')}`,
  name: 'Ada Lovelace',
  email: `ada.${number}@example.com`,
  email_verified: true,
  groups: ['Everyone', 'orders-admins', 'engineering'],
  preferred_username: `ada.${number}@example.com`,
})
/** The user whose tokens expire soon. */
const user = toUser(0)

/** What was served, so that the bench can check that each operation did what it stands for. */
const served = { codes: 0, refreshes: 0 }

/** Signed once a minute: signing costs this process more than a server needs for a whole login. */
let accessToken = { token: '', until: 0 }
function readAccessToken(): string {
  if (accessToken.until < now()) {
    const token = signJwt('JWT', {
      ver: 1,
      jti: 'AT.a2Fy4vh0mSgNp8bGxwFoT2ZXUB0Q3gXr1kqGzAYIrZ0.oarq1bench',
      iss: issuer,
      aud: 'api://default',
      iat: now(),
      exp: now() + 3600,
      cid: clientId,
      uid: '00u1a2b3c4d5e6f7g8h9',
      scp: ['openid', 'profile', 'email', 'offline_access'],
      auth_time: now(),
      sub: 'ada@example.com',
    })
    accessToken = { token, until: now() + 60 }
  }
  return accessToken.token
}

/** The ID token of all refreshes, for the same reason. */
let refreshedIdToken = { token: '', until: 0 }
function readRefreshedIdToken(): string {
  if (refreshedIdToken.until < now()) {
    refreshedIdToken = { token: signIdToken(undefined, user), until: now() + 60 }
  }
  return refreshedIdToken.token
}

const signIdToken = (nonce: string | undefined, claims: ReturnType<typeof toUser>) =>
  signJwt('JWT', {
    iss: issuer,
    aud: clientId,
    iat: now(),
    exp: now() + 3600,
    auth_time: authTime,
    nonce,
    ...claims,
  })

const discovery = json({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  userinfo_endpoint: `${issuer}/userinfo`,
  jwks_uri: `${issuer}/keys`,
  end_session_endpoint: `${issuer}/logout`,
  response_types_supported: ['code'],
  response_modes_supported: ['query'],
  grant_types_supported: ['authorization_code', 'refresh_token'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['RS256'],
  code_challenge_methods_supported: ['S256'],
  token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
})
const keys = json({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' }] })

function answerToken(form: URLSearchParams): string {
  const [kind = '', nonce = ''] = (form.get('code') ?? form.get('refresh_token') ?? '').split('.')
  const isRefresh = form.get('grant_type') === 'refresh_token'
  served[isRefresh ? 'refreshes' : 'codes'] += 1
  const isShort = kind === 'short'
  return json({
    token_type: 'Bearer',
    expires_in: isShort ? 1 : 3600,
    access_token: readAccessToken(),
    id_token: isRefresh ? readRefreshedIdToken() : signIdToken(nonce, isShort ? user : toUser(served.codes)),
    refresh_token: `${kind}.r7mJ0FPfhTgXb4c2Yq9vZk3s`,
    scope: 'openid profile email offline_access',
  })
}

createServer((req, res) => {
  const send = (body: string) => {
    res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) })
    res.end(body)
  }
  switch (req.url) {
    case '/.well-known/openid-configuration':
    case '/.well-known/oauth-authorization-server':
      return send(discovery)
    case '/keys':
      return send(keys)
    case '/served':
      return send(json(served))
    case '/token': {
      let body = ''
      req.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk
      })
      req.on('end', () => send(answerToken(new URLSearchParams(body))))
      return
    }
    default:
      res.writeHead(404).end()
  }
}).listen(port, '127.0.0.1')

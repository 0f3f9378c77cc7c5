import { recordSecret, type SecretKind } from './files.ts'

/** Parameters of token, revocation and pushed requests, and members of token responses. */
const parameters: Readonly<Record<string, SecretKind>> = {
  access_token: 'access token',
  refresh_token: 'refresh token',
  id_token: 'ID token',
  code: 'code',
  code_verifier: 'code verifier',
  client_secret: 'client secret',
  client_assertion: 'client assertion',
}

/** Settings that are a secret as a whole; others, as keys, hold some. */
const settings: readonly (readonly [name: RegExp, kind: SecretKind])[] = [
  [/^BFF_SECRETS$/, 'master secret'],
  [/CLIENT_SECRET$/, 'client secret'],
  [/^OPERATOR_SECRET$/, 'operator secret'],
  [/^FORWARD_AUTH_SECRET$/, 'forward-auth secret'],
]

/** Remembers the secrets among the settings of a server. */
export function recordSettings(env: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value = ''] of Object.entries(env)) {
    const kind = settings.find(([pattern]) => pattern.test(name))?.[1]
    if (kind !== undefined) for (const one of value.split(',')) recordSecret(kind, one.trim())
    if (/^(OIDC_CLIENT_KEY|APP_TOKEN_KEYS)/.test(name)) {
      for (const [, secret] of value.matchAll(/"d" *: *"([\w-]+)"/g)) recordSecret('private key', secret)
    }
    const kindOfUrl = name === 'REDIS_URL' ? 'Redis password' : 'forward proxy password'
    if (/^(REDIS_URL|HTTPS?_PROXY)$/i.test(name) && URL.canParse(value)) {
      recordSecret(kindOfUrl, decodeURIComponent(new URL(value).password))
    }
  }
}

/** Remembers what Portico sends to a provider, as the provider receives it. */
export function recordProviderRequest(form: string, authorization = ''): void {
  for (const [name, value] of new URLSearchParams(form)) {
    const kind = parameters[name]
    if (kind !== undefined) recordSecret(kind, value)
  }
  const basic = /^Basic (.+)/i.exec(authorization)?.[1]
  if (basic === undefined) return
  const [, ...password] = Buffer.from(basic, 'base64').toString().split(':')
  recordSecret('client secret', password.join(':'))
}

/** Remembers the tokens of a token response. */
export function recordTokenResponse(json: string): void {
  for (const [name, kind] of Object.entries(parameters)) {
    const value = new RegExp(`"${name}" *: *"([^"\\\\]+)"`).exec(json)?.[1]
    recordSecret(kind, value)
  }
}

/** Remembers the secret half of a state, the part behind its dot, wherever an address has one. */
export function recordState(text: string): void {
  for (const [, secret] of text.matchAll(/[?&;]state=[\w-]{10,}\.([\w-]{16,})/g))
    recordSecret('state', secret)
}

/** Remembers the app token of an answer. */
export function recordAppToken(json: string): void {
  recordSecret('app token', /"token" *: *"([^"]+)"/.exec(json)?.[1])
}

/** Remembers the value of a cookie that Portico sets: a session, a login in progress, a logout ticket. */
export function recordCookie(line: string): void {
  const value = /^[^=]+=([^;]*)/.exec(line)?.[1] ?? ''
  // A signed value is `s:`, the id and its signature; each is looked for by itself.
  recordSecret('cookie', value.replace(/^s%3A/, ''))
}

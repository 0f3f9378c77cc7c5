import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { root } from '../test/support/processes/start-process.ts'
import type { Dialect } from './load/browser.ts'

/** A server under measurement. */
export interface Target {
  name: string
  kind: 'measure' | 'this' | 'peer' | 'floor'
  command: readonly string[]
  /** Its settings, once its own address is known. */
  toEnv(origin: string): Record<string, string>
  /** A path that answers below 500 once the server is ready. */
  ready: string
  dialect: Dialect
  /** Whether its sessions are in Redis, not in its memory. */
  usesRedis: boolean
}

interface Surroundings {
  issuer: string
  /** The origin of the stub upstream. */
  upstream: string
  redisUrl: string
  /** What Node runs: `src/main.ts`, or `dist/main.js` after a build. */
  entry: string
}

const folder = import.meta.dirname

/** Every server of the comparison runs on this Node, the one of package.json. */
const runNode = (file: string): string[] => [process.execPath, file]

/** The measure of all shares. */
export const bareExpress: Target = {
  name: 'bare Express',
  kind: 'measure',
  command: runNode(join(folder, 'servers/bare-express.ts')),
  toEnv: () => ({}),
  ready: '/',
  dialect: {
    check: '/',
    login: '/',
    headers: {},
    proxied: '/',
    forwardAuth: { path: '/', headers: {}, status: 200, proof: '' },
    forwardsCode: false,
  },
  usesRedis: false,
}

/** What a reverse proxy says of the request that it asks about. */
const ofProxy = {
  'X-Original-Method': 'GET',
  'X-Original-URI': '/orders/1',
  'X-Forwarded-For': '203.0.113.7',
  'X-Forwarded-Proto': 'https',
}

/** Every server of the comparison, this one first; oauth2-proxy only where it is on the PATH. */
export function listTargets(surroundings: Surroundings): Target[] {
  return [
    portico('Portico, memory', surroundings),
    portico('Portico, Redis', surroundings, { REDIS_URL: surroundings.redisUrl }),
    // The rate limits count each call, and never refuse one.
    portico('Portico, log and rate limits, memory', surroundings, {
      LOG_LEVEL: 'info',
      RATE_LIMIT_LOGIN: '9999999/1s',
      RATE_LIMIT_API: '9999999/1s',
    }),
    plain('express-openid-connect, memory', 'peer', 'peers/express-openid-connect.js', surroundings),
    plain('express-session + openid-client, memory', 'peer', 'peers/express-session.js', surroundings),
    ...(spawnSync('oauth2-proxy', ['--version']).status === 0 ? [oauth2Proxy(surroundings)] : []),
    plain('floor: node:http by hand, memory', 'floor', 'servers/node-http.ts', surroundings),
  ]
}

/** This server as it is deployed, but without what would hide its own cost: rate limits and a line a call. */
export function portico(
  name: string,
  { issuer, upstream, entry }: Omit<Surroundings, 'redisUrl'>,
  settings: Readonly<Record<string, string>> = {},
): Target {
  const secret = randomBytes(32).toString('base64url')
  return {
    name,
    kind: 'this',
    command: runNode(join(root, entry)),
    toEnv: (origin) => ({
      PUBLIC_URL: origin,
      HOST: '127.0.0.1',
      BFF_SECRETS: secret,
      OIDC_ISSUER: issuer,
      OIDC_CLIENT_ID: 'bench',
      OIDC_CLIENT_SECRET: 'bench-secret',
      ALLOW_MEMORY_STORE: 'true',
      RATE_LIMIT_LOGIN: 'off',
      RATE_LIMIT_API: 'off',
      LOG_LEVEL: 'warn',
      PROXY_ORDERS: upstream,
      TRUST_PROXY: '127.0.0.1',
      ...settings,
    }),
    ready: '/readyz',
    dialect: {
      check: '/api/session',
      login: '/api/login',
      headers: { 'X-CSRF': '1', 'Sec-Fetch-Site': 'same-origin', 'Sec-Fetch-Mode': 'cors' },
      token: { method: 'POST', path: '/api/token' },
      proxied: '/api/proxy/orders/orders/1',
      forwardAuth: {
        path: '/api/forward-auth?claims=email',
        headers: ofProxy,
        status: 200,
        proof: 'X-Auth-Email: ada.',
      },
      forwardsCode: true,
    },
    usesRedis: 'REDIS_URL' in settings,
  }
}

/** A server of this folder: its addresses are the same in each. */
function plain(name: string, kind: Target['kind'], file: string, { issuer, upstream }: Surroundings): Target {
  return {
    name,
    kind,
    command: runNode(join(folder, file)),
    toEnv: () => ({ ISSUER: issuer, UPSTREAM: upstream }),
    ready: '/me',
    dialect: {
      check: '/me',
      login: '/login',
      headers: {},
      token: { method: 'GET', path: '/token' },
      proxied: '/orders/1',
      forwardAuth: { path: '/auth', headers: ofProxy, status: 200, proof: 'X-Auth-Email: ada.' },
      forwardsCode: false,
    },
    usesRedis: false,
  }
}

/** It attaches the ID token: a provider's access token it sends as X-Forwarded-Access-Token only. */
function oauth2Proxy({ issuer, upstream, redisUrl }: Omit<Surroundings, 'entry'>): Target {
  return {
    name: 'oauth2-proxy (Go), Redis',
    kind: 'peer',
    command: ['oauth2-proxy'],
    toEnv: (origin) => ({
      OAUTH2_PROXY_HTTP_ADDRESS: new URL(origin).host,
      OAUTH2_PROXY_REDIRECT_URL: `${origin}/oauth2/callback`,
      OAUTH2_PROXY_PROVIDER: 'oidc',
      OAUTH2_PROXY_OIDC_ISSUER_URL: issuer,
      OAUTH2_PROXY_CLIENT_ID: 'bench',
      OAUTH2_PROXY_CLIENT_SECRET: 'bench-secret',
      OAUTH2_PROXY_SCOPE: 'openid profile email offline_access',
      OAUTH2_PROXY_CODE_CHALLENGE_METHOD: 'S256',
      OAUTH2_PROXY_COOKIE_SECRET: randomBytes(32).toString('base64url'),
      OAUTH2_PROXY_COOKIE_SECURE: 'false',
      OAUTH2_PROXY_EMAIL_DOMAINS: '*',
      OAUTH2_PROXY_UPSTREAMS: `${upstream}/orders/,static://202`,
      OAUTH2_PROXY_PASS_AUTHORIZATION_HEADER: 'true',
      OAUTH2_PROXY_SET_XAUTHREQUEST: 'true',
      OAUTH2_PROXY_SESSION_STORE_TYPE: 'redis',
      OAUTH2_PROXY_REDIS_CONNECTION_URL: redisUrl,
      OAUTH2_PROXY_REQUEST_LOGGING: 'false',
      OAUTH2_PROXY_AUTH_LOGGING: 'false',
      // It has one core, as the others.
      GOMAXPROCS: '1',
    }),
    ready: '/ping',
    // It has no call for a token: an API gets the provider's own, or headers.
    dialect: {
      check: '/oauth2/userinfo',
      login: '/oauth2/start?rd=/',
      headers: {},
      proxied: '/orders/1',
      forwardAuth: {
        path: '/oauth2/auth',
        headers: ofProxy,
        status: 202,
        proof: 'X-Auth-Request-Email: ada.',
      },
      forwardsCode: false,
    },
    usesRedis: true,
  }
}

import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Dialect } from './load/browser.ts'

/** A server under measurement. */
export interface Target {
  name: string
  command: string[]
  env: Record<string, string>
  /** An address that answers once the server is ready. */
  ready: string
  dialect: Dialect
  usesRedis?: boolean
}

const folder = import.meta.dirname
export const root = join(folder, '..')

/** Every server of the comparison runs on this Node, the one of package.json. */
const node = process.execPath

interface Surroundings {
  issuer: string
  redisUrl: string
  /** Path of the server's entry: `src/main.ts`, or `dist/main.js` after a build. */
  entry: string
}

const none: Dialect = { check: '/', login: '/', headers: {}, forwardsCode: false }

/** The measure of all ratios. */
export const bareExpress: Target = {
  name: 'bare Express res.json',
  command: [node, join(folder, 'servers/bare-express.ts')],
  env: {},
  ready: '/',
  dialect: none,
}

/** Every server of the comparison, this one first. oauth2-proxy only where it is on the PATH. */
export function listTargets(surroundings: Surroundings): Target[] {
  const { issuer } = surroundings
  const plain: Dialect = {
    check: '/me',
    login: '/login',
    headers: {},
    token: { method: 'GET', path: '/token' },
    forwardsCode: false,
  }
  return [
    portico('Portico, memory', surroundings, {}),
    portico('Portico, Redis', surroundings, { REDIS_URL: surroundings.redisUrl }),
    {
      name: 'express-openid-connect, memory',
      command: [node, join(folder, 'peers/express-openid-connect.js')],
      env: { ISSUER: issuer },
      ready: '/me',
      dialect: plain,
    },
    {
      name: 'express-session + openid-client, memory',
      command: [node, join(folder, 'peers/express-session.js')],
      env: { ISSUER: issuer },
      ready: '/me',
      dialect: plain,
    },
    ...listOauth2Proxy(surroundings),
    {
      name: 'floor: node:http by hand',
      command: [node, join(folder, 'servers/node-http.ts')],
      env: { ISSUER: issuer },
      ready: '/me',
      dialect: plain,
    },
  ]
}

function portico(name: string, { issuer, entry }: Surroundings, more: Record<string, string>): Target {
  return {
    name,
    command: [node, join(root, entry)],
    env: {
      HOST: '127.0.0.1',
      BFF_SECRETS: randomBytes(32).toString('base64url'),
      OIDC_ISSUER: issuer,
      OIDC_CLIENT_ID: 'bench',
      OIDC_CLIENT_SECRET: 'bench-secret',
      OIDC_CLIENT_AUTH: 'client_secret_basic',
      OIDC_SCOPES: 'openid profile email offline_access',
      ALLOW_MEMORY_STORE: 'true',
      RATE_LIMIT_LOGIN: 'off',
      RATE_LIMIT_API: 'off',
      LOG_LEVEL: 'warn',
      ...more,
    },
    ready: '/readyz',
    usesRedis: 'REDIS_URL' in more,
    dialect: {
      check: '/api/session',
      login: '/api/login',
      headers: { 'X-CSRF': '1', 'Sec-Fetch-Site': 'same-origin', 'Sec-Fetch-Mode': 'cors' },
      token: { method: 'POST', path: '/api/token' },
      forwardsCode: true,
    },
  }
}

function listOauth2Proxy({ issuer, redisUrl }: Surroundings): Target[] {
  if (spawnSync('oauth2-proxy', ['--version']).status !== 0) return []
  return [
    {
      name: 'oauth2-proxy (Go), Redis',
      command: ['oauth2-proxy'],
      env: {
        OAUTH2_PROXY_PROVIDER: 'oidc',
        OAUTH2_PROXY_OIDC_ISSUER_URL: issuer,
        OAUTH2_PROXY_CLIENT_ID: 'bench',
        OAUTH2_PROXY_CLIENT_SECRET: 'bench-secret',
        OAUTH2_PROXY_SCOPE: 'openid profile email offline_access',
        OAUTH2_PROXY_CODE_CHALLENGE_METHOD: 'S256',
        OAUTH2_PROXY_COOKIE_SECRET: '0123456789abcdef0123456789abcdef',
        OAUTH2_PROXY_COOKIE_SECURE: 'false',
        OAUTH2_PROXY_EMAIL_DOMAINS: '*',
        OAUTH2_PROXY_UPSTREAMS: 'static://202',
        OAUTH2_PROXY_SESSION_STORE_TYPE: 'redis',
        OAUTH2_PROXY_REDIS_CONNECTION_URL: redisUrl,
        OAUTH2_PROXY_SET_XAUTHREQUEST: 'true',
        OAUTH2_PROXY_REQUEST_LOGGING: 'false',
        OAUTH2_PROXY_AUTH_LOGGING: 'false',
        GOMAXPROCS: '1',
      },
      ready: '/ping',
      usesRedis: true,
      dialect: { check: '/oauth2/userinfo', login: '/oauth2/start?rd=/', headers: {}, forwardsCode: false },
    },
  ]
}

import { type Config, hasSharedRateLimit } from '../config/config.ts'
import { findUnknownVariables } from '../config/names/unknown-variables.ts'
import type { Environment } from '../config/read-settings.ts'
import { isLoopback } from '../config/values/private-url.ts'
import { checkApp } from './app-checks.ts'
import { type Finding, pass, warn } from './finding.ts'

/** Finds variables that look like settings of Portico but are none. */
export function checkVariableNames(env: Environment): Finding[] {
  return findUnknownVariables(env).map(({ name, meant }) =>
    warn(
      'configuration',
      `${name} is not a setting of Portico`,
      meant === undefined
        ? 'check its spelling; docs/configuration.md lists every setting'
        : `check its spelling: did you mean ${meant}?`,
    ),
  )
}

/** Checks the settings of the server, which are valid, for what is weak or surprising. */
export function checkServerSettings(config: Config, env: Environment): Finding[] {
  return [
    ...checkSecrets(config),
    ...checkCookies(config, env),
    ...checkOrigins(config),
    ...checkApp(config),
    ...checkLimits(config),
    ...checkForwardAuth(config),
  ]
}

function checkSecrets({ secrets, providers }: Config): Finding[] {
  const findings = [
    pass(
      'secrets',
      `BFF_SECRETS holds ${secrets.length === 1 ? 'one secret' : `${secrets.length} secrets`} of 256 bits or more`,
    ),
  ]
  for (const { clientAuth, clientId } of providers) {
    if (!('secret' in clientAuth)) continue
    const { secret } = clientAuth
    const isWeak = secret.length < 16 || new Set(secret).size < 8 || secret === clientId
    if (!isWeak) continue
    findings.push(
      warn(
        'secrets',
        'OIDC_CLIENT_SECRET could be guessed',
        'make a new one at the provider, of 32 random characters or more',
      ),
    )
  }
  return findings
}

function checkCookies({ publicUrl, secureCookies }: Config, env: Environment): Finding[] {
  if (!secureCookies) {
    const message = `PUBLIC_URL is ${publicUrl}: cookies are not Secure, which is only for development on this machine`
    const fix = 'use the https origin at which browsers will reach this server'
    return [env.NODE_ENV === 'production' ? warn('cookies', message, fix) : pass('cookies', message)]
  }
  if (isLoopback(new URL(publicUrl))) {
    return [
      warn(
        'cookies',
        `PUBLIC_URL is ${publicUrl}, which only this machine can open`,
        'use the origin at which browsers will reach this server',
      ),
    ]
  }
  return [pass('cookies', `Secure, HttpOnly, __Host-, for ${publicUrl} only`)]
}

function checkOrigins({ apiUrl, origin: own, allowedOrigins, providers }: Config): Finding[] {
  const others = allowedOrigins.filter((origin) => origin !== own)
  const app =
    others.length === 0
      ? 'the app lives on PUBLIC_URL itself'
      : `${others.join(', ')}: on the same site as PUBLIC_URL`
  return [
    pass('origins', app),
    ...providers.map(({ redirectUri }) =>
      pass(
        'origins',
        redirectUri.startsWith(`${apiUrl}/callback`)
          ? `the provider redirects to this server: ${redirectUri}`
          : `the provider redirects to a page of the app, which must forward the response: ${redirectUri}`,
      ),
    ),
  ]
}

function checkLimits(config: Config): Finding[] {
  if (!hasSharedRateLimit(config)) return []
  return [
    warn(
      'limits',
      'all clients share the rate limits of one address, that of the TLS proxy',
      'set TRUST_PROXY to the addresses of the proxy',
    ),
  ]
}

function checkForwardAuth({ forwardAuthSecret, trustProxy }: Config): Finding[] {
  const check = 'forward auth'
  if (forwardAuthSecret === undefined) return []
  if (trustProxy.length > 0) {
    return [
      pass(check, `for proxies at ${trustProxy.join(', ')}, with tokens for those that know the secret`),
    ]
  }
  return [
    warn(
      check,
      'FORWARD_AUTH_SECRET is set, but no proxy may ask without TRUST_PROXY',
      'set TRUST_PROXY to the addresses of the proxy that asks, as this server sees them',
    ),
  ]
}

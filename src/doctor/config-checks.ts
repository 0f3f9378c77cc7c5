import { type Config, hasSharedRateLimit } from '../config/config.ts'
import type { Environment } from '../config/read-settings.ts'
import { findUnknownVariables } from '../config/unknown-variables.ts'
import { isLoopback } from '../config/values/url-parsers.ts'
import { type Finding, pass, warn } from './finding.ts'

/** Variables that look like ours but are not. */
export function checkEnvironment(env: Environment): Finding[] {
  return findUnknownVariables(env).map((name) =>
    warn(
      'configuration',
      `${name} is no setting of Portico`,
      'check its spelling; README.md lists every setting',
    ),
  )
}

/** What the settings of the server mean together. */
export function checkServer(config: Config, env: Environment): Finding[] {
  return [...checkSecrets(config), ...checkOrigins(config, env), ...checkLimits(config)]
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
        'let the provider make a new one, of 32 random characters or more',
      ),
    )
  }
  return findings
}

function checkOrigins(
  { publicUrl, allowedOrigins, providers, secureCookies }: Config,
  env: Environment,
): Finding[] {
  const findings: Finding[] = []
  if (!secureCookies) {
    const message = `PUBLIC_URL is ${publicUrl}: cookies are not Secure, for this machine alone`
    const fix = 'use the https origin at which browsers will reach this server'
    findings.push(env.NODE_ENV === 'production' ? warn('cookies', message, fix) : pass('cookies', message))
  } else if (isLoopback(new URL(publicUrl))) {
    findings.push(
      warn(
        'cookies',
        `PUBLIC_URL is ${publicUrl}, which only this machine can open`,
        'use the origin at which browsers will reach this server',
      ),
    )
  } else findings.push(pass('cookies', `Secure, HttpOnly, __Host-, for ${publicUrl} alone`))
  const others = allowedOrigins.filter((origin) => origin !== publicUrl)
  findings.push(
    pass(
      'origins',
      others.length === 0
        ? 'the app lives on PUBLIC_URL itself'
        : `${others.join(', ')}: of one site with PUBLIC_URL`,
    ),
  )
  for (const { redirectUri } of providers) {
    const isOurs = redirectUri.startsWith(`${publicUrl}/api/callback`)
    findings.push(
      pass(
        'origins',
        isOurs
          ? `the provider redirects to this server: ${redirectUri}`
          : `the provider redirects to a page of the app, which must forward the answer: ${redirectUri}`,
      ),
    )
  }
  return findings
}

function checkLimits(config: Config): Finding[] {
  if (!hasSharedRateLimit(config)) return []
  return [
    warn(
      'limits',
      'behind a TLS proxy, everybody shares the rate limits of its address',
      'set TRUST_PROXY to the addresses of the proxy',
    ),
  ]
}

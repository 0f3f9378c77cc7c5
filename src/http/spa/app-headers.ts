import type { Config } from '../../config/config.ts'
import { listHelmetHeaders, strictTransportSecurity } from '../middleware/response-headers.ts'

/**
 * The headers of all files of the app, as a flat list. Pages of other sites can show none of them in a frame,
 * whatever the policy says, unless it has `frame-ancestors`, which browsers then use alone (CSP Level 3,
 * 6.4.2).
 */
export function listAppHeaders(config: PolicyConfig, policy = toDefaultPolicy(config)): string[] {
  const headers = listHelmetHeaders({
    contentSecurityPolicy: false,
    strictTransportSecurity,
    xFrameOptions: { action: 'deny' },
    // The browsers' own default: an API that looks at the referrer gets the origin, and no address of a page.
    referrerPolicy: { policy: 'strict-origin-when-cross-origin' },
    // The app may open a window of another site and talk with it, as payment and file pickers need.
    crossOriginOpenerPolicy: { policy: 'same-origin-allow-popups' },
    crossOriginResourcePolicy: { policy: 'same-site' },
  })
  return policy === 'off' ? headers : ['Content-Security-Policy', policy, ...headers]
}

type PolicyConfig = Pick<Config, 'origin' | 'appToken' | 'providers'>

/**
 * The Content-Security-Policy of an app for which none is configured. Scripts come from the build alone, so
 * that text from elsewhere never runs. Styles may be inline, as component libraries make them. The app may
 * call its own origin, and the audiences of app tokens that are addresses. A form that signs out (POST
 * /logout) leads on to the provider, which browsers count as a target of the form.
 */
function toDefaultPolicy({ origin: own, appToken, providers }: PolicyConfig): string {
  const others = (urls: readonly string[]) =>
    toOrigins(urls)
      .filter((origin) => origin !== own)
      .map((origin) => ` ${origin}`)
      .join('')
  return [
    "default-src 'self'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob: https:",
    "font-src 'self' data:",
    `connect-src 'self'${others(appToken.audiences)}`,
    "worker-src 'self' blob:",
    "object-src 'none'",
    "base-uri 'self'",
    `form-action 'self'${others(providers.map(({ issuer }) => issuer))}`,
    "frame-ancestors 'none'",
  ].join('; ')
}

/** The origins of those texts that are addresses of HTTP, each once. */
function toOrigins(texts: readonly string[]): string[] {
  const urls = texts.map((text) => URL.parse(text)).filter((url) => url !== null)
  return [...new Set(urls.filter(({ protocol }) => /^https?:$/.test(protocol)).map(({ origin }) => origin))]
}

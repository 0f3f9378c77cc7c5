/** Whether a route may pass a header on, by its name in small letters; the others are Portico's to decide. */
export const isPassable = (name: string): boolean =>
  !unpassableHeaders.has(name) && !unpassablePrefixes.some((prefix) => name.startsWith(prefix))

/**
 * Whether a name can be that of a cookie of Portico, by its COOKIE_NAME or the default, which another one on
 * this host may have. Browsers ignore case in the prefix `__Host-`.
 */
export const isOwnCookie = (name: string, cookieName = 'bff'): boolean =>
  ['__host-', `${cookieName.toLowerCase()}_`].some((start) => name.toLowerCase().startsWith(start))

const unpassableHeaders: ReadonlySet<string> = new Set(
  [
    // Of one connection (RFC 9110 7.6.1), and what frames a message on it.
    'connection keep-alive te trailer transfer-encoding upgrade http2-settings content-length expect host',
    // Who the user is, and by which token or cookie: Portico says that.
    'authorization cookie cookie2 set-cookie set-cookie2 dpop remote-user client-cert client-cert-chain',
    // What an upstream asks of its client, and where it sends it: Portico translates that.
    'www-authenticate authentication-info dpop-nonce location',
    // Where a request comes from, and what it asked for before a proxy changed it.
    'forwarded via x-real-ip x-client-ip true-client-ip cf-connecting-ip fastly-client-ip origin referer',
    'x-rewrite-url x-http-method x-http-method-override x-method-override',
    // The trace of a call: Portico's own passes.
    'traceparent tracestate baggage',
    // What Portico itself reads.
    'x-csrf x-slide x-request-id x-forward-auth-secret',
    // What caches obey, which `cache` decides.
    'cache-control expires age pragma vary surrogate-control cdn-cache-control',
    // What browsers obey for the whole origin, which is that of the app.
    'strict-transport-security content-security-policy content-security-policy-report-only clear-site-data',
    'alt-svc nel report-to reporting-endpoints permissions-policy referrer-policy origin-agent-cluster',
    'x-content-type-options x-frame-options x-permitted-cross-domain-policies service-worker-allowed refresh',
  ].flatMap((names) => names.split(' ')),
)

const unpassablePrefixes = [
  'access-control-',
  'cross-origin-',
  'proxy-',
  'sec-',
  'x-accel-',
  'x-auth',
  'x-forwarded-',
  'x-original-',
  'x-remote-',
  'x-ssl-',
]

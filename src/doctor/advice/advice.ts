/** What to do, by what the reason of a failure looks like; the first that fits counts. */
export type Advice = readonly (readonly [RegExp, string])[]

/** The advice for a reason. */
export function findAdvice(advice: Advice, reason: string, otherwise: string): string {
  const [, fix = otherwise] = advice.find(([pattern]) => pattern.test(reason)) ?? []
  return fix
}

/** What to do about a call that came to nothing, by the reason that the log would tell. */
export const transportAdvice: Advice = [
  [/ENOTFOUND|EAI_AGAIN/, 'mend the host name; in a container, look at its DNS'],
  [/ECONNREFUSED/, 'mend host and port; is the provider running?'],
  [
    /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/i,
    'name the authority of its certificate in NODE_EXTRA_CA_CERTS',
  ],
  [/deadline|TIMEOUT/i, 'look at firewall and proxy between here and the provider, or raise OIDC_TIMEOUT'],
  [/WRONG_VERSION_NUMBER|EPROTO/, 'mend the protocol or the port: one side speaks TLS, the other does not'],
  [/status 429/, 'wait as long as the provider asks (Retry-After), and run the doctor again'],
  [/status 5\d\d/, 'the provider fails by itself: look at its log'],
  [/ is missing| is not https?:/, 'let the provider mend its discovery document'],
]

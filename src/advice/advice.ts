/** What to do about a failure, by a pattern of its reason; the first pattern that matches counts. */
export type Advice = readonly (readonly [RegExp, string])[]

/** The advice for a reason. */
export function findAdvice(advice: Advice, reason: string, otherwise: string): string {
  const [, fix = otherwise] = advice.find(([pattern]) => pattern.test(reason)) ?? []
  return fix
}

/** What to do about a call of the provider that failed, by the reason that the log would contain. */
export const transportAdvice: Advice = [
  [
    /forward proxy: status 407/,
    'put the user name and the password of the forward proxy into HTTPS_PROXY (or HTTP_PROXY)',
  ],
  [
    /forward proxy: status 5\d\d/,
    'the forward proxy cannot reach the provider: check its DNS, and the firewall behind it',
  ],
  [
    /forward proxy: status/,
    'allow CONNECT to host and port of the provider in the forward proxy, or name the host in NO_PROXY',
  ],
  [
    /forward proxy: [A-Z_]*(CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME)/,
    'set NODE_EXTRA_CA_CERTS to a file with the CA of the certificate of the forward proxy',
  ],
  [
    /forward proxy: [A-Z_]*(WRONG_VERSION_NUMBER|EPROTO)/,
    'begin HTTPS_PROXY (or HTTP_PROXY) with http://: the forward proxy does not speak TLS itself',
  ],
  [
    /forward proxy: /,
    'correct host and port in HTTPS_PROXY (or HTTP_PROXY); can this machine reach the forward proxy?',
  ],
  [/ENOTFOUND|EAI_AGAIN/, 'correct the host name; in a container, check its DNS'],
  [/ECONNREFUSED/, 'correct host and port; is the provider running?'],
  [
    /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/i,
    'set NODE_EXTRA_CA_CERTS to a file with the CA of its certificate',
  ],
  [
    /deadline|TIMEOUT/i,
    'check the firewall and the proxy between this machine and the provider, or raise OIDC_TIMEOUT',
  ],
  [
    /WRONG_VERSION_NUMBER|EPROTO/,
    'correct the protocol or the port: one side speaks TLS, the other does not',
  ],
  [/status 429/, 'wait as long as the provider asks (Retry-After), then run the doctor again'],
  [/status 5\d\d/, 'the provider has an internal error: check its logs'],
  [/ is missing| is not https?:/, 'the provider has to fix its discovery document'],
]

/** What to do about a call of an upstream that failed, likewise. */
export const upstreamAdvice: Advice = [
  [/ENOTFOUND|EAI_AGAIN/, 'correct the host name of the upstream; in a container, check its DNS'],
  [/ECONNREFUSED/, 'correct host and port of the upstream; is it running?'],
  [/ENETUNREACH|EHOSTUNREACH/, 'check the network between this machine and the upstream'],
  [/EXPIRED/, 'renew the certificate of the upstream'],
  [/ALTNAME/, 'write the upstream with a host name that is in its certificate, or change the certificate'],
  [
    /CERT|SELF_SIGNED|UNABLE_TO_VERIFY/,
    'set NODE_EXTRA_CA_CERTS to a file with the CA of the certificate of the upstream',
  ],
  [
    /deadline|TIMEOUT/,
    'check the firewall between this machine and the upstream, and whether it is overloaded',
  ],
  [
    /WRONG_VERSION_NUMBER|EPROTO|PACKET_LENGTH_TOO_LONG|ECONNRESET|UND_ERR_SOCKET|HPE_/,
    'correct https or http, or the port: it has to be one where the upstream speaks HTTP/1.1',
  ],
]

/** What to do about Redis, likewise. */
export const redisAdvice: Advice = [
  [/ECONNREFUSED/, 'start Redis, or correct host and port in REDIS_URL'],
  [/ENOTFOUND|EAI_AGAIN/, 'correct the host name in REDIS_URL'],
  [/WRONGPASS|NOAUTH/, 'correct user name and password in REDIS_URL, where a "%" in them is written as %25'],
  [/NOPERM/, 'give the user the rights "~portico:* +@all -@dangerous +info"'],
  [/READONLY/, 'point REDIS_URL at the master, or use redis+sentinel://'],
  [
    /CERT|SELF_SIGNED|SSL|TLS|UNABLE_TO_VERIFY/i,
    'set NODE_EXTRA_CA_CERTS to a file with the CA of its certificate',
  ],
  [/OOM/, 'give Redis more memory'],
  [/DB index/, 'correct the number of the database at the end of REDIS_URL'],
  [/SENTINEL/, 'this is not a sentinel: use redis:// for a single server'],
  [/RootNodes|CLUSTER/i, 'this is not a cluster: name only one server in REDIS_URL'],
]

/** What to do about Redis where its reason says nothing more. */
export const redisFallback =
  'check whether it is Redis, whether it speaks TLS (rediss://), and whether a firewall is in between'

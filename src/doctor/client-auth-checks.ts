import { X509Certificate } from 'node:crypto'
import type { ClientAuth, ProviderConfig } from '../config/provider-config.ts'
import type { ProbeRefusal } from '../provider/probe.ts'
import { tellRefusal } from './advice.ts'
import { type Finding, fail, pass, unknown, warn } from './finding.ts'
import type { Examination } from './provider-checks.ts'

const check = 'client authentication'

/** Whether the provider recognises the client: it does where it finds nothing wrong but the code. */
export async function checkClientAuth(examination: Examination): Promise<Finding[]> {
  const { provider, probe } = examination
  const refusal = await probe.tryCode()
  const { method } = provider.clientAuth
  switch (refusal.error) {
    case 'invalid_grant':
      return [pass(check, `the provider knows this client (${method})`)]
    case 'invalid_client':
    // GitHub's word for it.
    case 'incorrect_client_credentials':
      return [await explain(examination, refusal)]
    case 'unauthorized_client':
      return [
        fail(
          check,
          `this client may not use the authorization code grant: ${tellRefusal(refusal)}`,
          'allow Authorization Code for it at the provider',
        ),
      ]
    case 'invalid_dpop_proof':
    case 'use_dpop_nonce':
      return [
        fail(
          'DPoP',
          `the provider wants a proof it takes: ${tellRefusal(refusal)}`,
          'set OIDC_DPOP=auto, and look at the clock',
        ),
      ]
    case 'malformed':
      return [
        fail(
          'token endpoint',
          `its answer is none of a token endpoint: ${refusal.description}`,
          'mend OAUTH_TOKEN_ENDPOINT, or look at what stands between here and the provider',
        ),
      ]
    default:
      return [
        unknown(
          check,
          `the provider does not tell: it answers ${tellRefusal(refusal)} to a code that cannot be good`,
          'log in once; login_failed in the log says why it failed',
        ),
      ]
  }
}

interface Alternative {
  change: Partial<ProviderConfig>
  fix: string
}

/** Other ways to authenticate with what is there. */
function toAlternatives(auth: ClientAuth): Alternative[] {
  switch (auth.method) {
    case 'client_secret_basic':
    case 'client_secret_post': {
      const method = auth.method === 'client_secret_basic' ? 'client_secret_post' : 'client_secret_basic'
      return [
        { change: { clientAuth: { ...auth, method } }, fix: `set OIDC_CLIENT_AUTH=${method}` },
        {
          change: { clientAuth: { method: 'none' } },
          fix: 'the provider has this as a public client: drop OIDC_CLIENT_SECRET, or make it a confidential one there',
        },
      ]
    }
    case 'private_key_jwt': {
      const audience = auth.audience === 'issuer' ? 'endpoint' : 'issuer'
      return [
        {
          change: { clientAuth: { ...auth, audience } },
          fix: `set OIDC_CLIENT_ASSERTION_AUDIENCE=${audience}`,
        },
        ...auth.keys.slice(1).map((key, index) => ({
          change: { clientAuth: { ...auth, keys: [key] } },
          fix: `the provider knows key number ${index + 2} of OIDC_CLIENT_KEY: move it to the front`,
        })),
      ]
    }
    default:
      return []
  }
}

const advice: Record<ClientAuth['method'], string> = {
  none: 'check OIDC_CLIENT_ID; a client that has a secret at the provider needs OIDC_CLIENT_SECRET here',
  client_secret_basic: 'copy OIDC_CLIENT_ID and OIDC_CLIENT_SECRET anew from the console of the provider',
  client_secret_post: 'copy OIDC_CLIENT_ID and OIDC_CLIENT_SECRET anew from the console of the provider',
  private_key_jwt:
    'check OIDC_CLIENT_ID, and register the public half of OIDC_CLIENT_KEY at the provider: GET /.well-known/client-jwks.json shows it',
  tls_client_auth: 'check OIDC_CLIENT_ID, and register the subject of OIDC_CLIENT_CERT at the provider',
}

/** What would be recognised instead, tried. */
async function explain({ provider, probeAs }: Examination, refusal: ProbeRefusal): Promise<Finding> {
  const { clientAuth } = provider
  const says = `the provider does not recognise this client by ${clientAuth.method}: ${tellRefusal(refusal)}`
  for (const { change, fix } of toAlternatives(clientAuth)) {
    const answer = await probeAs(change).tryCode()
    if (answer.error === 'invalid_grant') return fail(check, says, fix)
  }
  return fail(check, says, advice[clientAuth.method])
}

const day = 86_400_000

/** Whether the certificate of mutual TLS is good, and for how long. */
export function checkCertificate({ provider: { clientAuth }, clock }: Examination): Finding[] {
  if (clientAuth.method !== 'tls_client_auth') return []
  const { validFromDate, validToDate } = new X509Certificate(clientAuth.certificate)
  const now = clock.now()
  const until = validToDate.toISOString()
  if (now > validToDate.getTime() || now < validFromDate.getTime()) {
    return [fail('certificate', `OIDC_CLIENT_CERT is not valid now, but until ${until}`, 'renew it')]
  }
  const left = Math.floor((validToDate.getTime() - now) / day)
  if (left < 14)
    return [warn('certificate', `OIDC_CLIENT_CERT ends in ${left} days, at ${until}`, 'renew it')]
  return [pass('certificate', `OIDC_CLIENT_CERT is good until ${until}`)]
}

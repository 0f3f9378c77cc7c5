import { X509Certificate } from 'node:crypto'
import { AppError } from '../../errors.ts'
import type { AuthorizationServer } from '../../provider/metadata/discovery.ts'
import type { ProbeRefusal } from '../../provider/probe/probe-refusal.ts'
import { adviseKeys, explainUnrecognised, findUnlisted } from '../advice/client-auth-advice.ts'
import { isAboutDpop, isUnrecognised, tellRefusal, toDpopRefused } from '../advice/refusals.ts'
import { type Finding, fail, pass, unknown, warn } from '../finding.ts'
import type { Examination } from '../provider-checks.ts'

const check = 'client authentication'

/** Whether the provider recognises the client: it does where it finds nothing wrong but the code. */
export async function checkClientAuth(
  examination: Examination,
  found: AuthorizationServer,
): Promise<Finding[]> {
  try {
    return [await toFinding(await examination.probe.tryCode(), examination, found)]
  } catch (error) {
    return [await toFailing(error, examination)]
  }
}

async function toFinding(
  refusal: ProbeRefusal,
  examination: Examination,
  found: AuthorizationServer,
): Promise<Finding> {
  const { provider } = examination
  const { method } = provider.clientAuth
  const unlisted = findUnlisted(found.metadata, provider)
  const aside = unlisted === undefined ? '' : `; ${unlisted.message}`
  if (isUnrecognised(refusal)) return explainUnrecognised(examination, refusal, unlisted)
  if (refusal.error === 'invalid_grant') {
    const message = `the provider knows this client (${method})${aside}`
    // A provider may look at the code before it looks at an assertion; public clients are left out of many a list.
    return unlisted?.isCertain ? warn(check, message, unlisted.fix) : pass(check, message)
  }
  if (isAboutDpop(refusal)) return toDpopRefused(refusal, provider, found)
  if (refusal.error === 'unauthorized_client') {
    return fail(
      check,
      `this client may not use the authorization code grant: ${tellRefusal(refusal)}`,
      'allow Authorization Code for it at the provider',
    )
  }
  if (refusal.error === 'malformed') {
    const mend =
      provider.endpoints === undefined
        ? 'let the provider mend its discovery document'
        : 'mend OAUTH_TOKEN_ENDPOINT'
    return fail(
      'token endpoint',
      `its answer is none of a token endpoint: ${tellRefusal(refusal)}`,
      `${mend}, or look at what stands between here and the provider`,
    )
  }
  return unknown(
    check,
    `the provider does not tell: it answers ${tellRefusal(refusal)} to a code that cannot be good${aside}`,
    'log in once; login_failed in the log says why it failed',
  )
}

/** A provider that cannot fetch the keys of an assertion may fail altogether (Ory Hydra). */
async function toFailing(error: unknown, examination: Examination): Promise<Finding> {
  const { provider, isServed } = examination
  const reason = error instanceof AppError ? (error.reason ?? '') : ''
  const isKeyed = provider.clientAuth.method === 'private_key_jwt'
  if (!isKeyed || !/^status 5\d\d$/.test(reason) || (await isServed)) throw error
  return fail(
    check,
    `the provider fails where it should verify our assertion: ${reason}`,
    await adviseKeys(examination),
  )
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

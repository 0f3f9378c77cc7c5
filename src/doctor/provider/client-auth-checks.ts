import { X509Certificate } from 'node:crypto'
import { AppError } from '../../errors.ts'
import type { AuthorizationServer } from '../../provider/metadata/discovery.ts'
import type { ProbeRefusal } from '../../provider/probe/probe-refusal.ts'
import type { Examination } from '../examination.ts'
import { type Finding, fail, pass, unknown, warn } from '../finding.ts'
import { adviseKeys, explainUnrecognised, findUnlistedMethod } from '../refusals/client-auth-advice.ts'
import { describeRefusal, explainDpopRefusal, isAboutDpop, isUnrecognised } from '../refusals/refusals.ts'

/** Checks whether the provider recognises the client: it does if it complains only about the invalid code. */
export async function checkClientAuth(
  examination: Examination,
  server: AuthorizationServer,
): Promise<Finding[]> {
  try {
    return [await explainRefusal(await examination.probe.tryCode(), examination, server)]
  } catch (error) {
    return [await explainServerError(error, examination)]
  }
}

/** Checks whether the certificate of mutual TLS is valid, and for how long. */
export function checkCertificate({ provider: { clientAuth }, clock }: Examination): Finding[] {
  if (clientAuth.method !== 'tls_client_auth') return []
  const { validFromDate, validToDate } = new X509Certificate(clientAuth.certificate)
  const now = clock.now()
  const until = validToDate.toISOString()
  if (now > validToDate.getTime() || now < validFromDate.getTime()) {
    return [fail('certificate', `OIDC_CLIENT_CERT is not valid now; it is valid until ${until}`, 'renew it')]
  }
  const left = Math.floor((validToDate.getTime() - now) / day)
  if (left < 14)
    return [warn('certificate', `OIDC_CLIENT_CERT ends in ${left} days, at ${until}`, 'renew it')]
  return [pass('certificate', `OIDC_CLIENT_CERT is good until ${until}`)]
}

const check = 'client authentication'
const day = 86_400_000

async function explainRefusal(
  refusal: ProbeRefusal,
  examination: Examination,
  server: AuthorizationServer,
): Promise<Finding> {
  const { provider } = examination
  const { method } = provider.clientAuth
  const unlisted = findUnlistedMethod(server.metadata, provider)
  const aside = unlisted === undefined ? '' : `; ${unlisted.message}`
  if (isUnrecognised(refusal)) return explainUnrecognised(examination, refusal, unlisted)
  if (refusal.error === 'invalid_grant') {
    const message = `the provider knows this client (${method})${aside}`
    // A provider may look at the code before the assertion, so that this proves nothing; many lists omit
    // public clients.
    return unlisted?.isCertain ? warn(check, message, unlisted.fix) : pass(check, message)
  }
  if (isAboutDpop(refusal)) return explainDpopRefusal(refusal, provider, server)
  if (refusal.error === 'unauthorized_client') {
    return fail(
      check,
      `this client may not use the authorization code grant: ${describeRefusal(refusal)}`,
      'allow Authorization Code for it at the provider',
    )
  }
  if (refusal.error === 'malformed') {
    const correction =
      provider.endpoints === undefined
        ? 'the provider has to fix its discovery document'
        : 'correct OAUTH_TOKEN_ENDPOINT'
    return fail(
      'token endpoint',
      `its answer is not that of a token endpoint: ${describeRefusal(refusal)}`,
      `${correction}, or check what is between this machine and the provider`,
    )
  }
  return unknown(
    check,
    `the provider does not say: it answers ${describeRefusal(refusal)} to an invalid code${aside}`,
    'log in once; login_failed in the log says why it failed',
  )
}

/** A provider that cannot fetch the keys of an assertion may answer with a server error (Ory Hydra). */
async function explainServerError(error: unknown, examination: Examination): Promise<Finding> {
  const { provider, isServed } = examination
  const reason = error instanceof AppError ? (error.reason ?? '') : ''
  const hasKeys = provider.clientAuth.method === 'private_key_jwt'
  if (!hasKeys || !/^status 5\d\d$/.test(reason) || (await isServed)) throw error
  return fail(
    check,
    `the provider fails where it should verify our assertion: ${reason}`,
    await adviseKeys(examination),
  )
}

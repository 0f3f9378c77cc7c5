import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { ProviderConfig } from '../config/providers/provider-config.ts'
import { AppError } from '../errors.ts'
import type { AuthorizationServer } from '../provider/metadata/discovery.ts'
import { createProviderProbe, type ProviderProbe } from '../provider/probe/probe.ts'
import { findAdvice, transportAdvice } from './advice/advice.ts'
import { type Finding, fail, unknown } from './finding.ts'
import { checkAuthorization } from './provider/authorization-checks.ts'
import { checkCertificate, checkClientAuth } from './provider/client-auth-checks.ts'
import { checkDiscovery } from './provider/discovery-checks.ts'
import { checkKeys } from './provider/key-checks.ts'
import { checkLogout } from './provider/logout-checks.ts'
import { checkMetadata } from './provider/metadata-checks.ts'
import { checkRevocation } from './provider/revocation-checks.ts'
import { checkUserinfo } from './provider/userinfo-checks.ts'

/** What every check of one provider may use. */
export interface Examination {
  provider: ProviderConfig
  config: Config
  clock: Clock
  /** Whether Portico answers at PUBLIC_URL now, as seen from here. */
  isServed: Promise<boolean>
  probe: ProviderProbe
  /** The same for another way to ask, to see whether that one works. */
  probeAs(change: Partial<ProviderConfig>): ProviderProbe
}

/** Examines one provider: its word first, then what it does when asked. */
export async function checkProvider(options: Omit<Examination, 'probe' | 'probeAs'>): Promise<Finding[]> {
  const { provider, config, clock } = options
  const probes: ProviderProbe[] = []
  const probeAs = (change: Partial<ProviderConfig>) => {
    const probe = createProviderProbe({ config: { ...provider, ...change }, secrets: config.secrets, clock })
    probes.push(probe)
    return probe
  }
  const examination = { ...options, probe: probeAs({}), probeAs }
  try {
    const { found, findings } = await checkDiscovery(examination)
    if (found === undefined) return findings
    const checks: [string, Run][] = [
      ['metadata', () => checkMetadata(found.metadata, provider)],
      ['certificate', () => checkCertificate(examination)],
      ['JWKS', () => checkKeys(examination, found)],
      ['client authentication', () => checkClientAuth(examination, found)],
      ['authorization request', (failed) => checkAuthorization(examination, found, failed)],
      ['userinfo', () => checkUserinfo(examination, found)],
      ['logout', () => checkLogout(examination, found)],
      ['revocation', (failed) => checkRevocation(examination, found, failed)],
    ]
    for (const [check, run] of checks) findings.push(...(await attempt(check, run, findFailed(findings))))
    return [...findings, ...tellLimits(provider, found)]
  } finally {
    await Promise.all(probes.map((probe) => probe.close()))
  }
}

/** One check; `failed` names those before it that failed. */
type Run = (failed: ReadonlySet<string>) => Finding[] | Promise<Finding[]>

const findFailed = (findings: readonly Finding[]): ReadonlySet<string> =>
  new Set(findings.filter(({ status }) => status === 'fail').map(({ check }) => check))

/** A provider that does not answer one call may answer the next. */
async function attempt(check: string, run: Run, failed: ReadonlySet<string>): Promise<Finding[]> {
  try {
    return await run(failed)
  } catch (error) {
    if (!(error instanceof AppError)) return [toUnexpected(check, error)]
    const reason = error.reason ?? error.code
    const fix = findAdvice(transportAdvice, reason, 'see whether this machine reaches the provider')
    return [fail(check, `the provider gave no answer that is of use: ${reason}`, fix)]
  }
}

/** Nobody foresaw this answer; its name is told, and not its message, which may hold anything. */
const toUnexpected = (check: string, error: unknown): Finding =>
  fail(
    check,
    `the provider says something that could not be understood (${error instanceof Error ? error.name : 'unknown'})`,
    'look at its answers yourself: discovery document, keys, token endpoint',
  )

/** What only a person who signs in could show. */
function tellLimits(
  { accessToken, scopes, endpoints, verifiesIdToken, issuer, userIdField }: ProviderConfig,
  { metadata }: AuthorizationServer,
): Finding[] {
  const findings: Finding[] = []
  if (endpoints !== undefined) {
    const message = verifiesIdToken
      ? `whether its ID tokens are of ${issuer} (OAUTH_ISSUER) is seen in a login only`
      : `whether ${userIdField} (OAUTH_USER_ID_FIELD) names the user is seen in a login only`
    findings.push(unknown('user', message, 'log in once; login_failed in the log would say why not'))
  }
  if (accessToken.format === 'jwt') {
    findings.push(
      unknown(
        'access token',
        `whether its audience is ${accessToken.audience} is seen in a login only`,
        'log in once; login_failed in the log would say invalid_access_token',
      ),
    )
  }
  if (scopes.includes('offline_access') && metadata.revocation_endpoint !== undefined) {
    findings.push(
      unknown(
        'refresh',
        'whether refresh tokens rotate, and with which grace, is known to the provider alone',
        'with rotation, set a grace period of 30 s or more (Okta: Grace period for token rotation)',
      ),
    )
  }
  return findings
}

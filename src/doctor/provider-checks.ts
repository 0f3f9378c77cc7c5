import { findAdvice, transportAdvice } from '../advice/advice.ts'
import { reachProvider } from '../advice/remedies.ts'
import type { Config } from '../config/config.ts'
import { isOktaCustomServer, isOktaHost } from '../config/providers/okta.ts'
import type { ProviderConfig } from '../config/providers/provider-config.ts'
import { AppError } from '../errors.ts'
import type { AuthorizationServer } from '../provider/metadata/discovery.ts'
import { createProviderProbe, type ProviderProbe } from '../provider/probe/probe.ts'
import type { Examination } from './examination.ts'
import { type Finding, fail, unknown } from './finding.ts'
import { checkForwardProxy } from './forward-proxy-checks.ts'
import { checkAuthorization } from './provider/authorization-checks.ts'
import { checkCertificate, checkClientAuth } from './provider/client-auth-checks.ts'
import { checkDiscovery } from './provider/discovery-checks.ts'
import { checkKeys } from './provider/key-checks.ts'
import { checkLogout } from './provider/logout-checks.ts'
import { checkMetadata } from './provider/metadata-checks.ts'
import { checkRoutesAtProvider } from './provider/proxy-route-checks.ts'
import { checkRevocation } from './provider/revocation-checks.ts'
import { checkUserinfo } from './provider/userinfo-checks.ts'

/** Examines one provider: first what its metadata says, then how it answers requests. */
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
    const { server, findings } = await checkDiscovery(examination)
    findings.push(...checkForwardProxy(examination))
    if (server === undefined) return findings
    const checks: [string, RunCheck][] = [
      ['metadata', () => checkMetadata(server.metadata, provider)],
      ['certificate', () => checkCertificate(examination)],
      ['JWKS', () => checkKeys(examination, server)],
      ['client authentication', () => checkClientAuth(examination, server)],
      ['authorization request', (failed) => checkAuthorization(examination, server, failed)],
      ['userinfo', () => checkUserinfo(examination, server)],
      ['logout', () => checkLogout(examination, server)],
      ['proxy routes', () => checkRoutesAtProvider(server.metadata, provider, config.proxyRoutes)],
      ['revocation', (failed) => checkRevocation(examination, server, failed)],
    ]
    for (const [check, run] of checks) findings.push(...(await attempt(check, run, toFailed(findings))))
    return [...findings, ...listLoginOnlyQuestions(provider, server, config)]
  } finally {
    await Promise.all(probes.map((probe) => probe.close()))
  }
}

/** Runs one check; `failed` has the names of the checks that failed before it. */
type RunCheck = (failed: ReadonlySet<string>) => Finding[] | Promise<Finding[]>

const toFailed = (findings: readonly Finding[]): ReadonlySet<string> =>
  new Set(findings.filter(({ status }) => status === 'fail').map(({ check }) => check))

/**
 * Turns an error of one check into a finding: a provider that does not answer one call may answer the next.
 */
async function attempt(check: string, run: RunCheck, failed: ReadonlySet<string>): Promise<Finding[]> {
  try {
    return await run(failed)
  } catch (error) {
    if (!(error instanceof AppError)) return [unexpectedAnswer(check, error)]
    const reason = error.reason ?? error.code
    const fix = findAdvice(transportAdvice, reason, reachProvider)
    return [fail(check, `the provider gave no usable answer: ${reason}`, fix)]
  }
}

/** Reports only the name of an unexpected error: its message may contain secrets. */
const unexpectedAnswer = (check: string, error: unknown): Finding =>
  fail(
    check,
    `an answer of the provider could not be understood (${error instanceof Error ? error.name : 'unknown'})`,
    'look at its answers yourself: discovery document, keys, token endpoint',
  )

/** What only a user who signs in could show. */
function listLoginOnlyQuestions(
  { accessToken, scopes, endpoints, verifiesIdToken, issuer, userIdField }: ProviderConfig,
  { metadata }: AuthorizationServer,
  { apiUrl }: Pick<Config, 'apiUrl'>,
): Finding[] {
  const findings: Finding[] = []
  if (isOktaHost(issuer) || isOktaCustomServer(issuer)) {
    findings.push(
      unknown(
        'dashboard',
        'only a click shows whether the tile on the dashboard leads here',
        `if users start there, enter ${apiUrl}/login as Initiate login URI of the app`,
      ),
    )
  }
  if (endpoints !== undefined) {
    const message = verifiesIdToken
      ? `only a login shows whether its ID tokens are of ${issuer} (OAUTH_ISSUER)`
      : `only a login shows whether ${userIdField} (OAUTH_USER_ID_FIELD) names the user`
    findings.push(unknown('user', message, 'log in once; if it fails, login_failed in the log says why'))
  }
  if (accessToken.format === 'jwt') {
    findings.push(
      unknown(
        'access token',
        `only a login shows whether its audience is ${accessToken.audience}`,
        'log in once; if it is not, login_failed in the log says invalid_access_token',
      ),
    )
  }
  if (scopes.includes('offline_access') && metadata.revocation_endpoint !== undefined) {
    findings.push(
      unknown(
        'refresh',
        'only the provider knows whether it rotates refresh tokens, and with which grace period',
        'with rotation, set a grace period of 30 s or more (Okta: Grace period for token rotation)',
      ),
    )
  }
  return findings
}

import { findAdvice, transportAdvice } from '../../advice/advice.ts'
import { followNtp, raiseClockTolerance, reachProvider } from '../../advice/remedies.ts'
import { isOktaCustomServer, isOktaHost } from '../../config/providers/okta.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { AppError } from '../../errors.ts'
import type { AuthorizationServer } from '../../provider/metadata/discovery.ts'
import type { ProviderProbe } from '../../provider/probe/probe.ts'
import type { ProbedDocument } from '../../provider/probe/probed-answer.ts'
import { toLogText } from '../../telemetry/events.ts'
import type { Examination } from '../examination.ts'
import { type Finding, fail, pass, warn } from '../finding.ts'

interface DiscoveryResult {
  /** Undefined where a login could not begin either: then nothing else can be checked. */
  server?: AuthorizationServer | undefined
  findings: Finding[]
}

/** Discovers the provider as a login would, and explains why that fails. */
export async function checkDiscovery({ provider, probe }: Examination): Promise<DiscoveryResult> {
  if (provider.endpoints !== undefined) return checkStaticEndpoints(provider, probe)
  const address = toDocumentAddress(provider.issuer)
  try {
    const document = await probe.get(address)
    const issuer = readIssuer(document)
    if (issuer !== (provider.tenants?.template ?? provider.issuer))
      return { findings: [await explainOtherIssuer(provider, probe, document, issuer)] }
    const server = await probe.discover()
    return {
      server,
      findings: [
        pass(check, `${address} names ${describeIssuers(provider)}`),
        ...describeOktaServer(provider.issuer),
        ...checkClock(document, provider),
      ],
    }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return { findings: [unreachable(address, error.reason ?? error.code)] }
  }
}

const check = 'discovery'

function describeIssuers({ tenants }: ProviderConfig): string {
  if (tenants === undefined) return 'exactly this issuer'
  return `an issuer for each tenant; may sign in: users of ${[...tenants.byIssuer.values()].join(', ')}`
}

/** The address of the discovery document (OpenID Connect Discovery 1.0, 4). */
const toDocumentAddress = (issuer: string) => `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`

function readIssuer({ status, text }: ProbedDocument): string | undefined {
  try {
    const document: unknown = status === 200 ? JSON.parse(text) : undefined
    const isDocument = typeof document === 'object' && document !== null && 'issuer' in document
    return isDocument && typeof document.issuer === 'string' ? document.issuer : undefined
  } catch {
    return undefined
  }
}

/** Explains why the document is not that of OIDC_ISSUER, and looks for the issuer where it often is. */
async function explainOtherIssuer(
  { issuer }: ProviderConfig,
  probe: ProviderProbe,
  { status, headers }: ProbedDocument,
  named: string | undefined,
): Promise<Finding> {
  if (named !== undefined) {
    const isOnlySlash = named.replace(/\/$/, '') === issuer.replace(/\/$/, '')
    const message = `the document names another issuer: ${toLogText(named)}`
    // The one of Entra ID's tokens of version 1, which has endpoints without scopes.
    const isOfFirstVersion = URL.parse(named)?.host === 'sts.windows.net'
    const right = isOfFirstVersion ? `${issuer.replace(/\/$/, '')}/v2.0` : toLogText(named)
    return fail(
      check,
      isOnlySlash ? `${message} (one "/" at the end is the difference)` : message,
      `set OIDC_ISSUER=${right}, if that is the one you trust`,
    )
  }
  const { origin, pathname } = new URL(issuer)
  const message =
    status >= 300 && status < 400
      ? `the provider redirects to ${toLogText(headers.get('location') ?? 'nowhere')}, and redirects are not followed`
      : `there is no discovery document at ${toDocumentAddress(issuer)} (status ${status})`
  const other = pathname === '/' ? `${origin}/oauth2/default` : origin
  const isOther = await probe
    .get(toDocumentAddress(other))
    .then((document) => readIssuer(document) === other)
    .catch(() => false)
  return fail(
    check,
    message,
    isOther
      ? `there is one for ${other}: set OIDC_ISSUER=${other}, or correct the path of yours`
      : 'copy the issuer from the console of the provider; where it has no discovery, set OAUTH_AUTHORIZATION_ENDPOINT and OAUTH_TOKEN_ENDPOINT instead',
  )
}

function unreachable(address: string, reason: string): Finding {
  return fail(check, `${address}: ${reason}`, findAdvice(transportAdvice, reason, reachProvider))
}

function describeOktaServer(issuer: string): Finding[] {
  if (isOktaCustomServer(issuer)) {
    return [pass('server', 'a custom authorization server, by its address (Okta): access tokens are JWTs')]
  }
  if (!isOktaHost(issuer)) return []
  return [
    pass(
      'server',
      'the Okta org server: access tokens are opaque, and scopes of your own need a custom server',
    ),
  ]
}

/** The times in tokens are compared with our clock; a difference up to OIDC_CLOCK_TOLERANCE is accepted. */
function checkClock({ headers, at }: ProbedDocument, { clockTolerance }: ProviderConfig): Finding[] {
  const date = Date.parse(headers.get('date') ?? '')
  if (Number.isNaN(date)) return []
  // A document from a cache in between is older by its Age.
  const age = Number(headers.get('age') ?? 0) || 0
  const seconds = Math.round((at - date) / 1000) - age
  const message = `this machine is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} the provider`
  const fix = followNtp
  if (Math.abs(seconds) * 1000 > clockTolerance) {
    return [fail('clock', `${message}: tokens will be refused`, `${fix}, or ${raiseClockTolerance}`)]
  }
  return Math.abs(seconds) > 5 ? [warn('clock', message, fix)] : [pass('clock', 'within 5 s of the provider')]
}

/**
 * A plain OAuth 2.0 provider has no metadata; the check of the client examines its token endpoint further.
 */
async function checkStaticEndpoints(
  provider: ProviderConfig,
  probe: ProviderProbe,
): Promise<DiscoveryResult> {
  const { token = '' } = provider.endpoints ?? {}
  try {
    const answer = await probe.get(token)
    return {
      server: await probe.discover(),
      findings: [pass('endpoints', `${new URL(token).origin} answers`), ...checkClock(answer, provider)],
    }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const finding = unreachable(token, error.reason ?? error.code)
    return {
      findings: [{ ...finding, check: 'endpoints', message: `OAUTH_TOKEN_ENDPOINT: ${finding.message}` }],
    }
  }
}

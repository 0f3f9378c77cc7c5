import { isOktaCustomServer, isOktaHost } from '../../config/providers/okta.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { AppError } from '../../errors.ts'
import type { AuthorizationServer } from '../../provider/metadata/discovery.ts'
import type { ProbedDocument, ProviderProbe } from '../../provider/probe/probe.ts'
import { toLogText } from '../../telemetry/logger.ts'
import { findAdvice, transportAdvice } from '../advice/advice.ts'
import { type Finding, fail, pass, warn } from '../finding.ts'
import type { Examination } from '../provider-checks.ts'

const check = 'discovery'

interface Discovered {
  /** Undefined where a login could not begin either: then nothing else can be checked. */
  found?: AuthorizationServer
  findings: Finding[]
}

/** Finds the provider as the server would, and says in plain words why not. */
export async function checkDiscovery({ provider, probe }: Examination): Promise<Discovered> {
  if (provider.endpoints !== undefined) return checkStatic(provider, probe)
  const address = toDocumentAddress(provider.issuer)
  try {
    const document = await probe.get(address)
    const issuer = readIssuer(document)
    if (issuer !== provider.issuer) return { findings: [await explain(provider, probe, document, issuer)] }
    const found = await probe.discover()
    return {
      found,
      findings: [
        pass(check, `${address} names exactly this issuer`),
        ...tellKind(provider.issuer),
        ...checkClock(document, provider),
      ],
    }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return { findings: [toUnreachable(address, error.reason ?? error.code)] }
  }
}

/** OpenID Connect Discovery 1.0, section 4. */
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

/** Why the document is not that of OIDC_ISSUER. */
async function explain(
  { issuer }: ProviderConfig,
  probe: ProviderProbe,
  { status, headers }: ProbedDocument,
  named: string | undefined,
): Promise<Finding> {
  if (named !== undefined) {
    const isSlash = named.replace(/\/$/, '') === issuer.replace(/\/$/, '')
    const message = `the document names another issuer: ${toLogText(named)}`
    return fail(
      check,
      isSlash ? `${message} (one "/" at the end is the difference)` : message,
      `set OIDC_ISSUER=${toLogText(named)}, if that is the one you trust`,
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
      ? `there is one of ${other}: set OIDC_ISSUER=${other}, or mend the path of yours`
      : 'copy the issuer from the console of the provider; where it has no discovery, set OAUTH_AUTHORIZATION_ENDPOINT and OAUTH_TOKEN_ENDPOINT instead',
  )
}

function toUnreachable(address: string, reason: string): Finding {
  return fail(
    check,
    `${address}: ${reason}`,
    findAdvice(transportAdvice, reason, 'see whether this machine reaches the provider'),
  )
}

function tellKind(issuer: string): Finding[] {
  if (isOktaCustomServer(issuer)) {
    return [pass('server', 'a custom authorization server by its address (Okta): access tokens are JWTs')]
  }
  if (!isOktaHost(issuer)) return []
  return [
    pass('server', 'the Okta org server: access tokens are opaque, scopes of your own need a custom server'),
  ]
}

/** Tokens are held against our clock; OIDC_CLOCK_TOLERANCE is forgiven. */
function checkClock({ headers, at }: ProbedDocument, { clockTolerance }: ProviderConfig): Finding[] {
  const date = Date.parse(headers.get('date') ?? '')
  if (Number.isNaN(date)) return []
  // What a cache in between has kept is as much older.
  const age = Number(headers.get('age') ?? 0) || 0
  const seconds = Math.round((at - date) / 1000) - age
  const message = `this machine is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} the provider`
  const fix = 'let this machine follow NTP'
  if (Math.abs(seconds) * 1000 > clockTolerance) {
    return [fail('clock', `${message}: tokens will be refused`, `${fix}, or raise OIDC_CLOCK_TOLERANCE`)]
  }
  return Math.abs(seconds) > 5 ? [warn('clock', message, fix)] : [pass('clock', 'within 5 s of the provider')]
}

/** A plain OAuth 2.0 provider says nothing of itself; what its token endpoint answers is seen with the client. */
async function checkStatic(provider: ProviderConfig, probe: ProviderProbe): Promise<Discovered> {
  const { token = '' } = provider.endpoints ?? {}
  try {
    const answer = await probe.get(token)
    return {
      found: await probe.discover(),
      findings: [pass('endpoints', `${new URL(token).origin} answers`), ...checkClock(answer, provider)],
    }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const finding = toUnreachable(token, error.reason ?? error.code)
    return {
      findings: [{ ...finding, check: 'endpoints', message: `OAUTH_TOKEN_ENDPOINT: ${finding.message}` }],
    }
  }
}

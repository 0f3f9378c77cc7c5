import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import type { AuthorizationServer } from '../../provider/metadata/discovery.ts'
import { toLogText } from '../../telemetry/logger.ts'
import { type Finding, fail, pass, warn } from '../finding.ts'
import type { Examination } from '../provider-checks.ts'

const check = 'userinfo'

/** Whether userinfo is where it is said to be, and takes the tokens that our scopes bring. */
export async function checkUserinfo(
  { provider, probe }: Examination,
  found: AuthorizationServer,
): Promise<Finding[]> {
  if (provider.userinfo === 'never') {
    return [pass(check, 'never asked, by OIDC_USERINFO: of a person only what the ID token tells is known')]
  }
  const finding = toFinding(await probe.tryUserinfo(), provider.endpoints !== undefined)
  return [finding.status === 'pass' ? (checkEntra(provider, found) ?? finding) : finding]
}

/** There, a token that cannot be good is refused. */
function toFinding(status: number | undefined, isPlain: boolean): Finding {
  if (status === undefined) {
    return isPlain
      ? warn(check, 'there is none: of a person only the user id is known', 'set OAUTH_USERINFO_ENDPOINT')
      : warn(
          check,
          'there is none: name, e-mail and groups must be in the ID token',
          'put the claims into the ID token at the provider',
        )
  }
  if (status === 200) {
    return fail(
      check,
      'it answers to a token that cannot be good',
      isPlain ? 'mend OAUTH_USERINFO_ENDPOINT' : 'ask the provider why',
    )
  }
  if (status === 400 || status === 401 || status === 403) {
    return pass(check, `asks for a good token (status ${status})`)
  }
  return warn(
    check,
    `answers ${status} to a token that cannot be good`,
    isPlain
      ? 'mend OAUTH_USERINFO_ENDPOINT, unless the provider says so of a user it does not know'
      : 'let the provider mend its discovery document',
  )
}

/** Microsoft Entra ID's own domains, those of its national clouds included. */
const entraHost =
  /^(login\.microsoftonline\.(com|us)|login\.partner\.microsoftonline\.cn|sts\.windows\.net)$|\.ciamlogin\.com$/

/** The application id of Microsoft Graph, by which a scope may name it. */
const graphId = '00000003-0000-0000-c000-000000000000'

/**
 * Entra's userinfo belongs to Microsoft Graph, and its access tokens are for one API each: the one that the scopes name
 * before a slash, or Graph where they name none.
 */
function checkEntra(
  { issuer, scopes }: ProviderConfig,
  { metadata }: AuthorizationServer,
): Finding | undefined {
  const graph = URL.parse(metadata.userinfo_endpoint ?? '')
  if (graph === null || !entraHost.test(new URL(issuer).hostname)) return undefined
  const isForGraph = (scope: string) =>
    !scope.includes('/') || scope.startsWith(`${graph.origin}/`) || scope.startsWith(`${graphId}/`)
  const own = scopes.find((scope) => !isForGraph(scope))
  if (own === undefined) return undefined
  return warn(
    check,
    `${graph.host} will refuse our access token, which is for the API of ${toLogText(own)}: nothing is known of a person but what the ID token tells`,
    'add the claims to the ID token at Entra (optional claims), and set OIDC_USERINFO=never; or drop the scope',
  )
}

import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import type { AuthorizationServer } from '../../provider/metadata/discovery.ts'
import { toLogText } from '../../telemetry/events.ts'
import type { Examination } from '../examination.ts'
import { type Finding, fail, pass, warn } from '../finding.ts'

/** Checks whether userinfo is at its address, and accepts the access tokens that our scopes produce. */
export async function checkUserinfo(
  { provider, probe }: Examination,
  server: AuthorizationServer,
): Promise<Finding[]> {
  if (provider.userinfo === 'never') {
    return [pass(check, 'never asked (OIDC_USERINFO): only the claims of the ID token are known')]
  }
  const finding = checkStatus(await probe.tryUserinfo(), provider.endpoints !== undefined)
  return [finding.status === 'pass' ? (checkEntra(provider, server) ?? finding) : finding]
}

const check = 'userinfo'

/** A working userinfo endpoint refuses the invalid token that was sent. */
function checkStatus(status: number | undefined, isPlain: boolean): Finding {
  if (status === undefined) {
    return isPlain
      ? warn(check, 'there is none: only the user id of a user is known', 'set OAUTH_USERINFO_ENDPOINT')
      : warn(
          check,
          'there is none: name, e-mail and groups must be in the ID token',
          'put the claims into the ID token at the provider',
        )
  }
  if (status === 200) {
    return fail(
      check,
      'it accepts an invalid token',
      isPlain ? 'correct OAUTH_USERINFO_ENDPOINT' : 'ask the provider why',
    )
  }
  if (status === 400 || status === 401 || status === 403) {
    return pass(check, `asks for a valid token (status ${status})`)
  }
  return warn(
    check,
    `answers ${status} to an invalid token`,
    isPlain
      ? 'correct OAUTH_USERINFO_ENDPOINT, unless the provider answers like this for an unknown user'
      : 'the provider has to fix its discovery document',
  )
}

/** The domains of Microsoft Entra ID, including those of its national clouds. */
const entraHost =
  /^(login\.microsoftonline\.(com|us)|login\.partner\.microsoftonline\.cn|sts\.windows\.net)$|\.ciamlogin\.com$/

/** The application id of Microsoft Graph, which a scope may use as its name. */
const graphId = '00000003-0000-0000-c000-000000000000'

/**
 * Entra's userinfo endpoint belongs to Microsoft Graph, and each of its access tokens is for one API: the one
 * that the scopes name before a slash, or Graph where they name none.
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
    `${graph.host} will refuse our access token, which is for the API of ${toLogText(own)}: only the claims of the ID token will be known`,
    'add the claims to the ID token at Entra (optional claims), and set OIDC_USERINFO=never; or drop the scope',
  )
}

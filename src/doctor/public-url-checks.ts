import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { toLogReason } from '../errors.ts'
import { createProviderFetch } from '../provider/transport/fetch.ts'
import { type Finding, pass, unknown, warn } from './finding.ts'

const check = 'public address'

/**
 * Checks whether this server or another replica answers at PUBLIC_URL. Before the first start nothing answers
 * there, which is not a mistake.
 */
export async function checkPublicUrl(
  { publicUrl, apiPath, basePath }: Config,
  clock: Clock,
): Promise<Finding[]> {
  const http = createProviderFetch({ timeout: 3_000, clock })
  try {
    const response = await http.fetch(`${publicUrl}/.well-known/oauth-authorization-server`, {})
    const body: unknown = await response.json().catch(() => undefined)
    const issuer = typeof body === 'object' && body !== null && 'issuer' in body ? body.issuer : undefined
    if (issuer === publicUrl) return [pass(check, `Portico answers at ${publicUrl}`)]
    return [
      warn(
        check,
        `something else than Portico answers at ${publicUrl}/.well-known/`,
        `configure the web server to pass ${apiPath}/ and ${basePath}/.well-known/ on to Portico`,
      ),
    ]
  } catch (error) {
    const reason = toLogReason(error, 'unknown')
    if (/ENOTFOUND|CERT|SELF_SIGNED|ALTNAME/.test(reason)) {
      return [
        warn(
          check,
          `${publicUrl}: ${reason}`,
          'correct the name or the certificate, unless only this machine does not know them',
        ),
      ]
    }
    return [
      unknown(
        check,
        `nothing answers at ${publicUrl} from here (${reason}), which is as it should be before the first start`,
        'if the server runs already, correct the route to it, or run the doctor on its machine',
      ),
    ]
  } finally {
    await http.close()
  }
}

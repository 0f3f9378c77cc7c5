import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { AppError } from '../errors.ts'
import { createProviderFetch } from '../provider/transport/fetch.ts'
import { type Finding, pass, unknown, warn } from './finding.ts'

const check = 'public address'

/** Whether this server, or another replica, is what answers at PUBLIC_URL; before the first start nothing does. */
export async function checkPublicUrl({ publicUrl }: Config, clock: Clock): Promise<Finding[]> {
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
        'let the web server pass /api/ and /.well-known/ on to Portico',
      ),
    ]
  } catch (error) {
    const reason = error instanceof AppError ? (error.reason ?? error.code) : 'unknown'
    if (/ENOTFOUND|CERT|SELF_SIGNED|ALTNAME/.test(reason)) {
      return [
        warn(
          check,
          `${publicUrl}: ${reason}`,
          'mend the name or the certificate, unless only this machine does not know them',
        ),
      ]
    }
    return [
      unknown(
        check,
        `nothing answers at ${publicUrl} from here (${reason}), which is as it should be before the first start`,
        'where the server runs already, mend the way to it; else run the doctor again beside it',
      ),
    ]
  } finally {
    await http.close()
  }
}

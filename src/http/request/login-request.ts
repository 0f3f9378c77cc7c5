import type { Request } from 'express'
import type { Provider } from '../../provider/provider.ts'
import type { Providers } from '../../provider/providers.ts'
import { optionalText } from './parameters.ts'

/** Whether a login is begun as other sites can do it, too: by a link or a plain form, and not by JSON. */
export const isLinkOrForm = (req: Request): boolean =>
  req.method !== 'POST' || Boolean(req.is('application/x-www-form-urlencoded'))

/**
 * What a link or a form asks for (OpenID Connect Core 4). The address that is registered for forms may have a
 * query; a field has priority over it.
 */
export const readLinkOrForm = ({ method, query, body }: Request): Record<string, unknown> =>
  method === 'POST' && typeof body === 'object' ? { ...query, ...body } : query

/** Where a login leads in the end; what a third party asks for has priority over its registered address. */
export const toWantedReturnTo = (asked: Record<string, unknown>): string | undefined =>
  optionalText(asked.target_link_uri) ?? optionalText(asked.return_to)

/** The name of the provider that a login asks for, or the only one that its `iss` names. */
export function toWantedProvider(
  asked: { provider?: unknown; iss?: unknown },
  providers: Pick<Providers, 'findByInitiatedIssuer'>,
): Provider['name'] | undefined {
  const iss = optionalText(asked.iss)
  const [first, second] = iss === undefined ? [] : providers.findByInitiatedIssuer(iss)
  return optionalText(asked.provider) ?? (second === undefined ? first?.name : undefined)
}

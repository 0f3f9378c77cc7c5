import { AppError } from '../errors.ts'
import type { Provider } from '../provider/provider.ts'
import type { Providers } from '../provider/providers.ts'
import type { AuthorizationResponse } from './login-types.ts'
import type { Transaction } from './transaction.ts'

interface MixUpDefenseOptions {
  providers: Pick<Providers, 'all' | 'findConfigured'>
  apiUrl: string
}

/** Where a response says that it came from. */
type Arrival = Pick<AuthorizationResponse, 'iss' | 'error' | 'jwt' | 'arrivedFor'>

/**
 * Returns the provider that a login was begun with, if the response comes from that provider: by its
 * signature and its `iss`, where it has to have them, and by the callback address, where several providers
 * are configured (RFC 9700 4.4).
 *
 * @throws AppError `issuer_mismatch`, `invalid_authorization_response`, `provider_unavailable`
 */
export type FindAnsweringProvider = (response: Arrival, transaction: Transaction) => Promise<Provider>

/** Creates the mix-up defense. */
export function createMixUpDefense({ providers, apiUrl }: MixUpDefenseOptions): FindAnsweringProvider {
  return async ({ arrivedFor, ...response }, transaction) => {
    const provider = providers.findConfigured(transaction)
    if (provider === undefined) {
      throw new AppError('issuer_mismatch', 'This sign-in was begun with another provider.', {
        reason: 'the provider it was begun with is no longer configured, or has another issuer',
      })
    }
    const namesItself = await provider.checkResponse(response)
    const mayUseCommon =
      providers.all.length === 1 || namesItself || provider.redirectUri === `${apiUrl}/callback`
    if (arrivedFor === undefined ? mayUseCommon : arrivedFor === provider.name) return provider
    throw new AppError(
      'issuer_mismatch',
      `The answer came to another address than the one for this provider, which ends with /callback/${provider.name}.`,
      { reason: `it came to the address of ${arrivedFor ?? 'all providers'}, and is for ${provider.name}` },
    )
  }
}

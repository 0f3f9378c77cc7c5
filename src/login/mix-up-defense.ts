import { AppError } from '../errors.ts'
import type { Provider } from '../provider/provider.ts'
import type { Providers } from '../provider/providers.ts'
import type { Transaction } from './transaction.ts'

/** Where an answer came from, as far as it tells. */
interface Arrival {
  iss?: string | undefined
  /** The provider whose own callback address it came to; undefined where it came to the common one. */
  arrivedFor?: string | undefined
}

/**
 * Creates the defence against mix-up (BCP 4.4): returns the provider that a login was begun with, if the answer is of
 * that provider, by its `iss` where it sends one; and where there are several, by the address it came to.
 *
 * The returned function throws AppError `issuer_mismatch`, `provider_unavailable`.
 */
export function createMixUpDefense({ providers, publicUrl }: { providers: Providers; publicUrl: string }) {
  return async ({ iss, arrivedFor }: Arrival, transaction: Transaction): Promise<Provider> => {
    const provider = providers.findConfigured(transaction)
    if (provider === undefined) {
      throw new AppError('issuer_mismatch', 'This sign-in was begun with another provider.', {
        reason: 'the provider it was begun with is not configured any more, or has another issuer',
      })
    }
    const namesItself = await provider.assertResponseIssuer(iss)
    const mayUseCommon =
      providers.all.length === 1 || namesItself || provider.redirectUri === `${publicUrl}/api/callback`
    if (arrivedFor === undefined ? mayUseCommon : arrivedFor === provider.name) return provider
    throw new AppError(
      'issuer_mismatch',
      `The answer came to another address than the one for this provider, /api/callback/${provider.name}.`,
      { reason: `it came to the address of ${arrivedFor ?? 'all providers'}, and is for ${provider.name}` },
    )
  }
}

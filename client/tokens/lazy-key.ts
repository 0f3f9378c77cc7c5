import { throwNetworkError } from '../call.ts'
import { PorticoError } from '../errors.ts'
import type { DpopKey } from './dpop-key.ts'

/**
 * Returns the key of this browser.
 *
 * @throws PorticoError `key_unavailable`, or `network_error` where the code for keys does not load
 */
export type GetDpopKey = () => Promise<DpopKey>

/** Creates the access to the key. Its code is a file of its own, which only apps that bind tokens load. */
export function createLazyKey(origin: string): GetDpopKey {
  let loading: Promise<DpopKey> | undefined
  return () => {
    loading ??= import('./dpop-key.ts')
      .catch(throwNetworkError)
      .then(({ loadDpopKey, advice }) =>
        loadDpopKey(origin).catch((cause: unknown) => {
          throw new PorticoError('key_unavailable', advice, { cause })
        }),
      )
      .catch((error: unknown) => {
        loading = undefined
        throw error
      })
    return loading
  }
}

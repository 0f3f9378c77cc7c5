import type { DpopKey } from './dpop-key.ts'
import { PorticoError } from './errors.ts'

/**
 * Returns the key of this browser.
 *
 * @throws PorticoError `key_unavailable`
 */
export type GetDpopKey = () => Promise<DpopKey>

/** Creates the access to the key. Its code is a file of its own, which only apps that bind tokens load. */
export function createLazyKey(origin: string): GetDpopKey {
  let loading: Promise<DpopKey> | undefined
  return () => {
    loading ??= import('./dpop-key.ts')
      .then(({ loadDpopKey }) => loadDpopKey(origin))
      .catch((cause: unknown) => {
        loading = undefined
        throw new PorticoError(
          'key_unavailable',
          'This browser cannot keep a key: it needs IndexedDB and https.',
          {
            cause,
          },
        )
      })
    return loading
  }
}

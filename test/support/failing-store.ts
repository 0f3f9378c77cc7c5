import { AppError } from '../../src/errors.ts'
import type { Store } from '../../src/session/store.ts'

/** A store over another one, whose `method` throws `store_unavailable` until it is healed. */
export function failOn(store: Store, method: keyof Store): { store: Store; heal(): void } {
  let fails = true
  const failing = new Proxy(store, {
    get(target, name, receiver) {
      if (fails && name === method) {
        return () => Promise.reject(new AppError('store_unavailable', 'down'))
      }
      return Reflect.get(target, name, receiver) as unknown
    },
  })
  return {
    store: failing,
    heal() {
      fails = false
    },
  }
}

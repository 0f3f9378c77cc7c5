import { AppError } from '../../errors.ts'

/** Throws AppError `store_unavailable` if a full map refused an entry (`ExpiringMap.set` returned false). */
export function assertStored(isStored: boolean): void {
  if (isStored) return
  throw new AppError('store_unavailable', 'There is no room for another sign-in right now.', {
    reason: 'memory store is full',
  })
}

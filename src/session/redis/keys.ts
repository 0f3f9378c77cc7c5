import type { GroupName } from './group-names.ts'

/**
 * Keys in Redis; docs/operations.md describes each. In braces is the hash tag by which a cluster picks the
 * node.
 */

/** A session's keys have one hash tag, so that a cluster keeps them on one node. */
export const toSessionKey = (handle: string): string => `portico:session:{${handle}}`
/** Matches every session's key. */
export const sessionKeyPattern = toSessionKey('*')
/** Returns the handle in a session's key. */
export const toHandle = (sessionKey: string): string => sessionKey.slice(toSessionKey('').length - 1, -1)
export const toLockKey = (handle: string): string => `portico:lock:{${handle}}`

/** Milliseconds for which Redis keeps a session after its expiry, because the replicas' clocks may differ. */
export const clockAllowance = 60_000

/** Ended sessions whose tokens are not revoked yet, sorted by the time at which that is due. */
export const revocationQueueKey = 'portico:revocations'

/** A part of the index, and the time of a group's last `rejectEarlierLogins`, on the same node. */
export const toIndexKey = ({ part }: GroupName): string => `portico:index:{${part}}`
export const toLoginCutoffKey = ({ part, hash }: GroupName): string =>
  `portico:cutoff:{${part}}:${hash.toString('base64url')}`
/** The time of the last `rejectAllEarlierLogins`: one for each part of the index, on the same node. */
export const toEveryonesCutoffKey = (part: number): string => `portico:cutoff:{${part}}`

/** A reservation and its text have one hash tag as well. */
export const toReservationKey = (key: string): string => `portico:reservation:{${key}}`
export const toReservationTextKey = (key: string): string => `portico:outcome:{${key}}`

export const toPublishedKey = (key: string): string => `portico:published:{${key}}`

/** A rate limit's counter; `name` is a keyed hash. */
export const toCounterKey = (name: string): string => `portico:count:{${name}}`

/** What happened lately: a list, the newest last. */
export const recentKey = 'portico:recent'

/** A text that all replicas share. */
export const toSharedKey = (name: string): string => `portico:shared:{${name}}`

/** A key that is read and deleted to see whether Redis answers. */
export const pingKey = 'portico:ping'
/** A key that the doctor writes to see whether it may. */
export const doctorKey = 'portico:doctor'

// The times of a refresh: how early it begins, and how long each step takes or waits.

/** Tokens are refreshed early: in this last share of their lifetime, */
export const aheadShare = 1 / 5
/** but at most this many milliseconds early. */
export const longestAhead = 60_000

/** Tokens are not used in this last share of their lifetime, because they must be valid on arrival, */
export const reserveShare = 1 / 20
/** but for at most this many milliseconds. */
export const longestReserve = 5_000

/**
 * Milliseconds after which the lock of a crashed process is free, so that the next one succeeds within 3 s
 * (F35).
 */
export const leaseDuration = 2_000

/** Milliseconds between two tries to take a lock, or to write to a store that does not answer. */
export const pollInterval = 40

/** Milliseconds between two renewals of the lease. */
export const renewalInterval = 500

/** Milliseconds without another try after a failed refresh; the provider may ask for more (Retry-After). */
export const failurePause = 1_000

/** The same after an answer that the next try will hardly change: each try may cost a token rotation. */
export const refusalPause = 30_000

/**
 * Milliseconds for which a token is not replaced although its receiver refuses it: it would refuse the next
 * one as well.
 */
export const replacementPause = 60_000

/** Milliseconds for which the commit is repeated while the store does not accept it. */
export const commitTimeout = 60_000

/** Milliseconds that a request waits longer than one provider call and one lock takeover take. */
export const waitReserve = 500

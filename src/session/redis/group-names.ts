import { createHmac } from 'node:crypto'
import { deriveKeys } from '../../crypto/derive-key.ts'
import type { SessionGroup } from '../session-groups.ts'

/** The name of a group of sessions in Redis: a keyed hash, and its place in the index. */
export interface GroupName {
  readonly by: SessionGroup['by']
  readonly hash: Buffer
  /** The part of the index that has its entries. */
  readonly part: number
  /** What the scores of its entries in that part begin with. */
  readonly tag: number
}

/** Returns the names of one group, one for each master secret, the newest first. */
export type ToGroupNames = (group: SessionGroup) => GroupName[]

/**
 * Parts of the index: so many that a large installation spreads over all nodes of a cluster, and so few that
 * they do not count beside the sessions of a small one.
 */
export const partCount = 1_024

/**
 * What an entry's score is made of: its group times this number, and the minute in which the entry expires
 * (since the epoch, until 2097). So a search costs the same however many entries the part has.
 */
export const scoreUnit = 2 ** 26

/** Creates the naming of groups. The master secrets key the hashes, because a user's `sub` can be guessed. */
export function createGroupNames(secrets: readonly Uint8Array[]): ToGroupNames {
  const keys = deriveKeys(secrets, 'store-index')
  return ({ by, issuer, value }) => {
    const text = JSON.stringify([by, issuer, value])
    return keys.map((key) => {
      const hash = createHmac('sha256', key).update(text).digest()
      // A score has 27 bits for it. Groups that share them, which is rare, are distinguished by sessions.
      return { by, hash, part: hash.readUInt16BE(0) % partCount, tag: hash.readUInt32BE(2) >>> 5 }
    })
  }
}

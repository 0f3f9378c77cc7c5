import type { ProviderIdentity } from '../../provider/types.ts'
import { type SessionGroup, toGroups } from '../session-groups.ts'

/** Finds the sessions of a group without reading all the others. */
export interface MemorySessionIndex {
  /** Puts a session into the groups of its identity, and removes it from those it belonged to before. */
  set(handle: string, identity: ProviderIdentity): void
  delete(handle: string): void
  /** Returns the handles of a group; some may belong to expired sessions that are not removed yet. */
  find(group: SessionGroup): string[]
  /** Number of sessions and groups in the index. */
  size(): number
}

/** Returns the name of a group, for use as a key. */
export const toGroupName = ({ by, issuer, value }: SessionGroup): string =>
  JSON.stringify([by, issuer, value])

/** Creates an empty index. */
export function createMemorySessionIndex(): MemorySessionIndex {
  const handlesOf = new Map<string, Set<string>>()
  const namesOf = new Map<string, readonly string[]>()

  return {
    set(handle, identity) {
      remove(handle)
      const names = toGroups(identity).map(toGroupName)
      for (const name of names) handlesOf.set(name, (handlesOf.get(name) ?? new Set()).add(handle))
      namesOf.set(handle, names)
    },
    delete: remove,
    find: (group) => [...(handlesOf.get(toGroupName(group)) ?? [])],
    size: () => namesOf.size + handlesOf.size,
  }

  function remove(handle: string): void {
    for (const name of namesOf.get(handle) ?? []) {
      const handles = handlesOf.get(name)
      handles?.delete(handle)
      // Empty groups are deleted, because there are as many groups as users.
      if (handles?.size === 0) handlesOf.delete(name)
    }
    namesOf.delete(handle)
  }
}

import type { ProviderIdentity } from '../../provider/types.ts'
import { type SessionGroup, toGroups } from '../session-groups.ts'

/** Which sessions belong to which group, so that those of one person are found without reading all others. */
export interface MemoryIndex {
  /** Puts a session into the groups of its identity, and takes it out of those it belonged to before. */
  set(handle: string, identity: ProviderIdentity): void
  delete(handle: string): void
  /** The handles of a group; some may be of sessions that have expired and were not swept yet. */
  find(group: SessionGroup): string[]
  /** Sessions and groups that it knows. */
  size(): number
}

/** The name of a group, as a key. */
export const toGroupName = ({ by, issuer, value }: SessionGroup): string =>
  JSON.stringify([by, issuer, value])

/** Creates an empty index. */
export function createMemoryIndex(): MemoryIndex {
  const handlesOf = new Map<string, Set<string>>()
  const namesOf = new Map<string, readonly string[]>()

  function remove(handle: string): void {
    for (const name of namesOf.get(handle) ?? []) {
      const handles = handlesOf.get(name)
      handles?.delete(handle)
      // A group without sessions leaves nothing behind: there are as many of them as people.
      if (handles?.size === 0) handlesOf.delete(name)
    }
    namesOf.delete(handle)
  }

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
}

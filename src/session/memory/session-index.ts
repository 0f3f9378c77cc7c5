import type { ProviderIdentity } from '../../provider/types.ts'
import { type SessionGroup, toGroups } from '../session-groups.ts'

/** What the index needs of a session. */
type IndexedSession = { readonly identity: ProviderIdentity }

/** Finds the sessions of a group without reading all the others. */
export interface MemorySessionIndex {
  /** Puts a session into the groups of its identity. */
  add(handle: string, session: IndexedSession): void
  /** Removes it from the groups of its identity, which must be that with which it was added. */
  remove(handle: string, session: IndexedSession): void
  /** Returns the handles of a group; some may belong to expired sessions that are not removed yet. */
  find(group: SessionGroup): string[]
  /** Number of entries: each session has one in each of its groups. */
  size(): number
}

/** Returns the name of a group, for use as a key. */
export const toGroupName = ({ by, issuer, value }: SessionGroup): string =>
  JSON.stringify([by, issuer, value])

/** The handles of a group. Most groups have one only, for which a set would be too large. */
type Handles = string | Set<string>

/** Creates an empty index. */
export function createMemorySessionIndex(): MemorySessionIndex {
  /** By kind and issuer, then by value: so that the values, which the sessions hold anyway, are the keys. */
  const handlesOf = new Map<string, Map<string, Handles>>()

  return {
    add(handle, { identity }) {
      for (const group of toGroups(identity)) {
        const values = toValues(group)
        const before = values.get(group.value)
        if (before === undefined || before === handle) values.set(group.value, handle)
        else values.set(group.value, (typeof before === 'string' ? new Set([before]) : before).add(handle))
      }
    },
    remove(handle, { identity }) {
      for (const group of toGroups(identity)) {
        const values = toValues(group)
        const handles = values.get(group.value)
        if (handles instanceof Set) handles.delete(handle)
        // Empty groups are deleted, because there are as many groups as users.
        if (handles === handle || (handles instanceof Set && handles.size === 0)) values.delete(group.value)
      }
    },
    find: (group) => toList(toValues(group).get(group.value)),
    size: () =>
      [...handlesOf.values()]
        .flatMap((values) => [...values.values()])
        .reduce((sum, handles) => sum + toList(handles).length, 0),
  }

  function toValues({ by, issuer }: SessionGroup): Map<string, Handles> {
    const key = `${by} ${issuer}`
    const values = handlesOf.get(key) ?? new Map<string, Handles>()
    // There are as few of these as configured issuers.
    handlesOf.set(key, values)
    return values
  }
}

const toList = (handles: Handles | undefined): string[] => {
  if (handles === undefined) return []
  return typeof handles === 'string' ? [handles] : [...handles]
}

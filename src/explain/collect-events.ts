import { type LoggedEvent, readText } from './logged-event.ts'

/** Collects the events of one login or one request from a log that is read once, from its beginning. */
export interface EventCollection {
  add(event: LoggedEvent): void
  /** What belongs to the id, in the order of the log. */
  events(): LoggedEvent[]
}

interface CollectionOptions {
  /** How many other logins and requests are remembered at least; twice as many at most. */
  capacity?: number
}

/** Events of one login or request that are kept at most: a browser may repeat a callback for ever. */
const longestGroup = 100

/**
 * Creates the collection for an id of a request or of a login. The request that failed names its login, and
 * the beginning of that login was logged before: so the last logins and requests are remembered, as many as
 * `capacity` says.
 */
export function createEventCollection(
  id: string,
  { capacity = 20_000 }: CollectionOptions = {},
): EventCollection {
  const wanted = new Set([toLoginKey(id), toRequestKey(id)])
  const found: LoggedEvent[] = []
  /** By login, or by request as long as no login is known. */
  let recent = new Map<string, LoggedEvent[]>()
  /** Those before; dropped as a whole, because to drop the oldest entry of a map again and again is slow. */
  let earlier = new Map<string, LoggedEvent[]>()

  function add(event: LoggedEvent): void {
    const keys = toKeys(event)
    if (keys.some((key) => wanted.has(key))) {
      keep(event, keys)
      return
    }
    const [key] = keys
    // Most lines of a log are of requests that have no part in a login.
    if (key === undefined || (event.event === 'request_completed' && event.login === undefined)) return
    remember(key, event)
  }

  function remember(key: string, event: LoggedEvent): void {
    const group = recent.get(key)
    if (group !== undefined) {
      if (group.length < longestGroup) group.push(event)
      return
    }
    if (recent.size === capacity) {
      earlier = recent
      recent = new Map()
    }
    recent.set(key, [event])
  }

  /** Keeps an event, and all that was logged before of the login or request that it names. */
  function keep(event: LoggedEvent, keys: readonly string[]): void {
    if (found.length < longestGroup) found.push(event)
    for (const key of keys) {
      if (wanted.has(key)) continue
      wanted.add(key)
      const before = [...(earlier.get(key) ?? []), ...(recent.get(key) ?? [])]
      for (const one of before) keep(one, toKeys(one))
    }
  }

  return {
    add,
    events: () => found.toSorted((a, b) => a.time.localeCompare(b.time)),
  }
}

const toLoginKey = (id: string) => `login ${id}`
const toRequestKey = (id: string) => `request ${id}`

/** What an event belongs to: its login first. */
function toKeys(event: LoggedEvent): string[] {
  const [login, request] = [readText(event, 'login'), readText(event, 'request_id')]
  return [...(login === '' ? [] : [toLoginKey(login)]), ...(request === '' ? [] : [toRequestKey(request)])]
}

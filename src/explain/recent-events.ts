import type { Clock } from '../clock.ts'
import { createSealer } from '../crypto/sealer.ts'
import type { SharedState } from '../session/shared-state.ts'
import type { Log, LogEvent } from '../telemetry/events.ts'
import type { EventSink } from '../telemetry/fan-out.ts'
import type { LoggedEvent } from './logged-event.ts'

/**
 * The events of the last hour that say why a user could not sign in, of all replicas. They are sealed in the
 * store, and written in the background: no request waits for that, and none fails for it.
 */
export interface RecentEvents {
  /** Keeps an event, if it is one of those. */
  note: EventSink
  /** Reads those of all replicas, the oldest first. What no secret opens is left out. */
  read(): Promise<LoggedEvent[]>
  /** Begins to write. The log says how many events were dropped, once the store takes others again. */
  start(store: RecentStore, log: Log): void
  /** Writes what waits. */
  stop(): Promise<void>
}

type RecentStore = Pick<SharedState, 'appendRecent' | 'readRecent'>

/**
 * What a story is made of. `login_started` is missing, because a login that begins writes nothing to the
 * store: the id of a login has the time at which it began.
 */
const kept: ReadonlySet<LogEvent> = new Set<LogEvent>([
  'login_succeeded',
  'login_repeated',
  'login_failed',
  'login_not_needed',
  'login_outcome_lost',
  'login_refused_by_provider',
  'pushed_request_skipped',
  'userinfo_unavailable',
  'user_claims_dropped',
  'session_claims_dropped',
  'dpop_key_mismatch',
  'csrf_check_failed',
  'request_limited',
  'request_failed',
  'token_refresh_failed',
  'token_refresh_rejected',
  'refreshed_tokens_lost',
  'session_ended_by_provider',
  'session_ended_by_user',
  'session_superseded',
  'session_unreadable',
  'logout_succeeded',
  'backchannel_logout_succeeded',
  'frontchannel_logout_succeeded',
  'universal_logout_succeeded',
  'sessions_ended_by_operator',
])

/** For how long an event is kept in milliseconds, and how many are kept of all replicas. */
const keep = { lifetime: 60 * 60_000, capacity: 1_000 }

/** Milliseconds between two writes of one process, and events that one write takes at most. */
const writeInterval = 1_000
const batchSize = 100

/** Events of one client that one process keeps in a minute at most, of those that name no user. */
const mostOfClient = 10
const minute = 60_000

/** What seals are bound to. */
const context = 'recent'

interface RecentEventsOptions {
  /** Master secrets, newest first. */
  secrets: readonly Uint8Array[]
  clock: Clock
}

/** Creates the keeper of recent events. */
export function createRecentEvents({ secrets, clock }: RecentEventsOptions): RecentEvents {
  const sealer = createSealer(secrets, 'recent-events')
  let started: { store: RecentStore; log: Log } | undefined
  let waiting: LoggedEvent[] = []
  let dropped = 0
  /** Events of each client that name no user, since then. */
  let counts = new Map<string, number>()
  let countedSince = 0
  let timer: NodeJS.Timeout | undefined
  let writing = Promise.resolve()

  function add(event: LoggedEvent): void {
    if (waiting.length >= batchSize) dropped += 1
    else if (!isFlood(event)) waiting.push(event)
    timer ??= setTimeout(writeSoon, writeInterval).unref()
  }

  /**
   * Whether a client has caused too many events. Those that name a user or a session do not count: anyone can
   * cause the others, without a limit, and they must not displace what is kept of everyone else.
   */
  function isFlood({ sub, session, address }: LoggedEvent): boolean {
    if (sub !== undefined || session !== undefined || typeof address !== 'string') return false
    if (clock.now() - countedSince >= minute) {
      counts = new Map()
      countedSince = clock.now()
    }
    // A client may have all addresses of its IPv6 network, which is /48 at most.
    const client = address.split(':', 3).join(':')
    const count = (counts.get(client) ?? 0) + 1
    counts.set(client, count)
    return count > mostOfClient
  }

  function writeSoon(): void {
    writing = write().finally(() => {
      timer = waiting.length === 0 ? undefined : setTimeout(writeSoon, writeInterval).unref()
    })
  }

  /** What the store does not take is dropped: it would only delay what comes next. */
  async function write(): Promise<void> {
    const events = waiting
    if (started === undefined || events.length === 0) return
    waiting = []
    const texts = events.map((event) => sealer.seal(JSON.stringify(event), context))
    try {
      await started.store.appendRecent(texts, keep)
    } catch {
      dropped += events.length
      return
    }
    if (dropped > 0) started.log('recent_events_dropped', { count: dropped })
    dropped = 0
  }

  return {
    note(event, fields) {
      if (kept.has(event)) add({ ...fields, event, time: new Date(clock.now()).toISOString() })
    },

    async read() {
      // So that an operator finds what has just happened, at least of this process.
      await write()
      const texts = (await started?.store.readRecent()) ?? []
      const opened = texts.map((sealed) => sealer.open(sealed, context)).filter((text) => text !== undefined)
      const events = opened.map((text) => JSON.parse(text) as LoggedEvent)
      return events.toSorted((a, b) => a.time.localeCompare(b.time))
    },

    start(store, log) {
      started = { store, log }
    },

    async stop() {
      clearTimeout(timer)
      await writing
      await write()
    },
  }
}

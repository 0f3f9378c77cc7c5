import { isTransactionId, toStartedAt, transactionLifetime } from '../login/transaction.ts'
import type { LogEvent } from '../telemetry/events.ts'
import type { Explanation, Failure } from './causes/cause.ts'
import { findCause, neverBack } from './causes/find-cause.ts'
import { describeEvent } from './describe-event.ts'
import { type LoggedEvent, readText } from './logged-event.ts'

/** What became of one login, or of one request that is part of none. */
export interface Story {
  /** The id of the login; undefined for a request that is part of none. */
  readonly login: string | undefined
  readonly outcome: 'succeeded' | 'failed' | 'open'
  /** Why it failed, or has not ended, and what to do about it. */
  readonly explanation: Explanation | undefined
  /** The story for people to read. */
  readonly lines: readonly string[]
}

/**
 * Makes the stories of events, one for each login or request, in the order in which they begin. `now` is when
 * the events end, in milliseconds since the epoch: a login that began shortly before may still come back.
 */
export function toStories(events: readonly LoggedEvent[], now: number): Story[] {
  const logins = new Map(
    events.map((event) => [readText(event, 'request_id'), readText(event, 'login')]).filter(isComplete),
  )
  const toOwner = (event: LoggedEvent): string => {
    const request = readText(event, 'request_id')
    // What a request logged before its login was known belongs to that login.
    return readText(event, 'login') || logins.get(request) || request || readText(event, 'session')
  }
  return [...Map.groupBy(events, toOwner).values()].map((group) => toStory(group, now))
}

const isComplete = (entry: string[]): entry is [string, string] => entry.every((text) => text !== '')

function toStory(events: readonly LoggedEvent[], now: number): Story {
  const login = events.map((event) => readText(event, 'login')).find(isTransactionId)
  const outcome = toOutcome(events)
  const explanation = explain(events, outcome)
  return {
    login,
    outcome,
    explanation,
    lines: [
      toTitle(login, events, outcome, now),
      ...events.map((event) => `  ${event.time}  ${describeEvent(event)}`),
      ...(explanation === undefined ? [] : [`Cause: ${explanation.cause}`, `Remedy: ${explanation.remedy}`]),
    ],
  }
}

/** Events after which the user is signed in. */
const successes: ReadonlySet<string> = new Set(['login_succeeded', 'login_repeated', 'login_not_needed'])

function toOutcome(events: readonly LoggedEvent[]): Story['outcome'] {
  if (events.some(({ event }) => successes.has(event))) return 'succeeded'
  if (findFailure(events) !== undefined) return 'failed'
  return events.some(({ event }) => event === 'login_started') ? 'open' : 'succeeded'
}

function explain(events: readonly LoggedEvent[], outcome: Story['outcome']): Explanation | undefined {
  if (outcome === 'open') return neverBack
  const failure = outcome === 'failed' ? findFailure(events) : undefined
  return failure && findCause(failure)
}

/** The failure that a story is about: the first one of the login, or of the request if nothing says more. */
function findFailure(events: readonly LoggedEvent[]): Failure | undefined {
  const [failed] = failureEvents.flatMap((name) =>
    events.filter((event) => event.event === name && toCode(event) !== ''),
  )
  if (failed === undefined) return undefined
  const refusal = events.find(({ event }) => event === 'login_refused_by_provider')
  const words = [failed.reason, refusal?.error, refusal?.description]
  return { code: toCode(failed), reason: words.filter((word) => word !== undefined).join(' ') }
}

/** The events that say why something failed, the one that says most first. */
const failureEvents: readonly LogEvent[] = [
  'login_failed',
  'token_refresh_rejected',
  'token_refresh_failed',
  'request_refused',
  'request_limited',
  'request_failed',
  'request_completed',
]

/** The error code of a failure; some events have but one. */
function toCode(event: LoggedEvent): string {
  if (event.event === 'request_limited') return 'too_many_requests'
  return event.event === 'request_failed' ? 'internal_error' : readText(event, 'code')
}

function toTitle(
  login: string | undefined,
  events: readonly LoggedEvent[],
  outcome: Story['outcome'],
  now: number,
): string {
  const find = (name: string) => events.map((event) => readText(event, name)).find((text) => text !== '')
  if (login === undefined) {
    const request = find('request_id')
    return request === undefined ? `Session ${find('session')}` : `Request ${request} ${outcome}.`
  }
  const provider = find('provider')
  const startedAt = toStartedAt(login)
  const at = provider === undefined ? '' : ` at ${provider}`
  const begun = `Login ${login}${at}, begun ${new Date(startedAt).toISOString()},`
  if (outcome !== 'open') return `${begun} ${outcome}.`
  return now - startedAt > transactionLifetime
    ? `${begun} never came back, and has expired.`
    : `${begun} has not come back so far.`
}

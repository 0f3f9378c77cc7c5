import type { LogEvent } from '../telemetry/events.ts'
import { type LoggedEvent, readText } from './logged-event.ts'

/** What an event says, as a line of a story. */
export function describeEvent(event: LoggedEvent): string {
  const describe = descriptions[event.event]
  const text = (name: string) => readText(event, name)
  return describe === undefined ? describeAny(event, text) : describe(text)
}

type Describe = (text: (name: string) => string) => string

/** A text in parentheses, if there is one. */
const aside = (text: string) => (text === '' ? '' : ` (${text})`)

const descriptions: Partial<Record<LogEvent, Describe>> = {
  login_started: (text) => `the login began: the browser was sent to the provider${aside(text('provider'))}`,
  login_refused_by_provider: (text) =>
    `the provider sent the user back with the error ${text('error')}${aside(text('description'))}`,
  login_failed: (text) =>
    `the login ${text('step') === 'begin' ? 'could not begin' : 'failed'}: ${toWhy(text)}`,
  login_succeeded: () => 'the user was signed in',
  login_repeated: () => 'the callback came again, and got the session of the first one',
  login_not_needed: (text) =>
    `the callback came too late or again (${text('code')}); the browser was signed in already and went on to the app`,
  login_outcome_lost: () => 'the outcome could not be stored for a callback that comes again',
  return_to_refused: () => 'the app asked to return to an address that is not allowed: the user ends at /',
  userinfo_unavailable: (text) => `the user has no claims of userinfo${aside(text('reason'))}`,
  user_claims_dropped: (text) =>
    `the app tokens leave out claims, because they are too large: ${text('names')}`,
  session_claims_dropped: (text) =>
    `the session leaves out claims, because they are too large: ${text('names')}`,
  pushed_request_skipped: (text) =>
    `the request went through the browser, not pushed${aside(text('reason'))}`,
  dpop_key_mismatch: () => 'the browser proved another key than that of the session or the login',
  request_limited: (text) => `a rate limit refused the request${aside(text('limit'))}`,
  csrf_check_failed: (text) => `the request may have come from another site${aside(text('path'))}`,
  request_failed: (text) => `a defect in Portico${aside(text('error'))}`,
  request_refused: (text) =>
    `the request was refused: ${text('status')} ${text('code')}${aside(text('reason'))}`,
  request_completed: (text) =>
    `${text('method')} ${text('path')} was answered with ${text('status')}${text('login') === '' ? aside(toWhy(text)) : ''}`,
  session_ended_by_provider: (text) => `the provider ended the session${aside(text('reason'))}`,
  session_ended_by_user: () => 'the user ended the session',
  session_superseded: () => 'a later login in the same browser replaced the session',
  logout_succeeded: () => 'the user signed out',
}

/** Code and reason, as far as they say different things. */
function toWhy(text: (name: string) => string): string {
  const [code, reason] = [text('code'), text('reason')]
  return code === reason || reason === '' ? code : [code, reason].filter((word) => word !== '').join(': ')
}

/** An event without a description of its own: its name in words, and why. */
const describeAny = ({ event }: LoggedEvent, text: (name: string) => string) =>
  `${event.replaceAll('_', ' ')}${aside(toWhy(text))}`

import { expect, test } from 'vitest'
import type { LoggedEvent } from '../../../src/explain/logged-event.ts'
import { toStories } from '../../../src/explain/story.ts'
import type { LogEvent, LogFields } from '../../../src/telemetry/events.ts'

const startedAt = Date.parse('2026-11-26T05:00:00Z')
const login = `${startedAt.toString(36).padStart(9, '0')}0123abcd`

const at = (seconds: number, event: LogEvent, fields: LogFields): LoggedEvent => ({
  ...fields,
  event,
  time: new Date(startedAt + seconds * 1_000).toISOString(),
})
const tell = (...events: LoggedEvent[]) =>
  toStories(events, startedAt + 3_600_000).map(({ outcome, explanation }) => [outcome, explanation?.cause])

test('a login that was not needed has succeeded: the user is signed in by another one', () => {
  const callback = { login, code: 'login_transaction_expired' }
  expect(tell(at(0, 'login_started', { login }), at(700, 'login_not_needed', callback))).toEqual([
    ['succeeded', undefined],
  ])
})

test('what a request logged before its login was known is a part of the login', () => {
  const events = [
    at(1, 'dpop_key_mismatch', { request_id: 'request-1' }),
    at(1, 'login_failed', { request_id: 'request-1', login, code: 'dpop_key_mismatch' }),
  ]
  expect(tell(...events)).toEqual([['failed', expect.stringContaining('proved another key')]])
})

test('of several failures of a login, the one that says most is its cause', () => {
  const events = [
    at(1, 'request_completed', { request_id: 'request-1', login, code: 'internal_error' }),
    at(2, 'login_failed', { login, code: 'provider_error', reason: 'token endpoint: invalid_client' }),
  ]
  expect(tell(...events)).toEqual([['failed', expect.stringContaining('does not recognise this client')]])
})

test('logins and requests have stories of their own, in the order in which they begin', () => {
  const events = [
    at(1, 'csrf_check_failed', { request_id: 'request-1' }),
    at(2, 'login_started', { request_id: 'request-2', login }),
    at(3, 'request_completed', { request_id: 'request-1', code: 'csrf_check_failed' }),
  ]
  expect(tell(...events)).toEqual([
    ['failed', expect.stringContaining('a page that may not call Portico')],
    ['open', expect.stringContaining('has not come back')],
  ])
})

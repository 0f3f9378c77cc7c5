import type { LogEvent } from '../events.ts'

/** How ECS, the Elastic Common Schema, classifies an event; its own words. */
interface AuditedEvent {
  category: readonly ('api' | 'authentication' | 'configuration' | 'session')[]
  type: readonly ('access' | 'admin' | 'change' | 'denied' | 'end' | 'info' | 'start')[]
  outcome: 'success' | 'failure'
  /** What a human reads. */
  message: string
}

const signIn = { category: ['authentication', 'session'], type: ['start'] } as const
const sessionEnd = { category: ['session'], type: ['end'] } as const
const refusal = { category: ['api'], type: ['access', 'denied'], outcome: 'failure' } as const
const keys = { category: ['configuration'] } as const

/** The events that are audited: who came in, who went, who was refused, and what operators did. */
export const auditedEvents: Partial<Record<LogEvent, AuditedEvent>> = {
  login_succeeded: { ...signIn, outcome: 'success', message: 'A user signed in.' },
  login_failed: { ...signIn, outcome: 'failure', message: 'A sign-in failed.' },
  login_not_needed: {
    category: ['authentication'],
    type: ['info'],
    outcome: 'failure',
    message: 'A sign-in had ended already; the browser is signed in by another one.',
  },

  logout_succeeded: {
    category: ['authentication', 'session'],
    type: ['end'],
    outcome: 'success',
    message: 'A user signed out.',
  },
  session_ended_by_user: { ...sessionEnd, outcome: 'success', message: 'A user ended a session.' },
  session_superseded: {
    ...sessionEnd,
    outcome: 'success',
    message: 'A sign-in in the same browser replaced a session.',
  },
  session_ended_by_provider: {
    ...sessionEnd,
    outcome: 'success',
    message: 'The provider no longer renews the tokens of a session: it ended.',
  },
  backchannel_logout_succeeded: {
    ...sessionEnd,
    outcome: 'success',
    message: 'The provider ended sessions by back-channel logout.',
  },
  frontchannel_logout_succeeded: {
    ...sessionEnd,
    outcome: 'success',
    message: 'The provider ended sessions by front-channel logout.',
  },
  universal_logout_succeeded: {
    ...sessionEnd,
    outcome: 'success',
    message: 'The provider ended all sessions of a user.',
  },
  sessions_ended_by_operator: {
    category: ['api', 'session'],
    type: ['admin', 'end'],
    outcome: 'success',
    message: 'An operator ended sessions.',
  },
  operator_acted: {
    category: ['api'],
    type: ['admin'],
    outcome: 'success',
    message: 'An operator changed something for all users or for a replica.',
  },

  backchannel_logout_refused: { ...sessionEnd, outcome: 'failure', message: 'A logout token was refused.' },
  frontchannel_logout_refused: {
    ...sessionEnd,
    outcome: 'failure',
    message: 'A front-channel logout was refused.',
  },
  universal_logout_refused: { ...sessionEnd, outcome: 'failure', message: 'A Universal Logout was refused.' },
  csrf_check_failed: { ...refusal, message: 'A request that may come from another site was refused.' },
  dpop_key_mismatch: { ...refusal, message: 'A request with the proof of another key was refused.' },
  request_limited: { ...refusal, message: 'A rate limit refused a request.' },
  introspection_refused: { ...refusal, message: 'An unknown caller of token introspection was refused.' },
  operator_refused: {
    category: ['api'],
    type: ['admin', 'denied'],
    outcome: 'failure',
    message: 'A call of the operator API without its secret was refused.',
  },

  signing_keys_changed: {
    ...keys,
    type: ['change'],
    outcome: 'success',
    message: 'The signing keys changed.',
  },
  signing_keys_unavailable: {
    ...keys,
    type: ['access'],
    outcome: 'failure',
    message: 'The signing keys cannot be used.',
  },
}

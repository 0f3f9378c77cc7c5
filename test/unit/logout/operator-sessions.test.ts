import { expect, test } from 'vitest'
import { createOperatorSessions } from '../../../src/logout/operator.ts'
import type { SessionTermination } from '../../../src/session/termination/session-termination.ts'
import { session } from '../../support/session-fixture.ts'

/** What the log says of acts that end more than one session. */

function create(termination: Partial<SessionTermination>) {
  const logged: unknown[] = []
  const sessions = createOperatorSessions({
    providers: { findByAppSub: () => undefined },
    store: { findByGroup: async () => [], read: async (handle) => ({ ...session, handle }) as never },
    termination: termination as SessionTermination,
  })
  return { sessions, logged, log: (event: string, fields: unknown) => void logged.push([event, fields]) }
}

test('ends that come in several batches: a line for each, and their sum', async () => {
  const { sessions, logged, log } = create({
    async endEveryone(onEnded) {
      onEnded(['a', 'b'])
      onEnded(['c'])
    },
  })
  expect(await sessions.endEveryone(log)).toBe(3)
  expect(logged).toEqual([
    ['sessions_ended_by_operator', { sessions: ['a', 'b'] }],
    ['sessions_ended_by_operator', { sessions: ['c'] }],
    ['operator_acted', { act: 'end_all_sessions', ended: 3 }],
  ])
})

test('one session ends with those that superseded it a moment ago', async () => {
  const ended: string[] = []
  const { sessions, logged, log } = create({ endChain: async (handle) => void ended.push(handle) })
  await sessions.endOne('a', log)
  expect(ended).toEqual(['a'])
  expect(logged).toEqual([['sessions_ended_by_operator', { sub: session.identity.appSub, sessions: ['a'] }]])
})

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { auditedEvents } from '../../../src/telemetry/audit/audited-events.ts'
import { toAuditRecord } from '../../../src/telemetry/audit/record.ts'
import type { LogEvent } from '../../../src/telemetry/events.ts'
import {
  documentedEvents,
  documentedFields,
  ecsTypesOfDocumented,
  findAuditProblems,
} from '../../support/audit-schema.ts'
import { root } from '../../support/processes/start-process.ts'

const examples = readFileSync(join(root, 'docs/audit.example.ndjson'), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as { event: { action: string } })

describe('docs/audit.md', () => {
  test('has every audited event, and no other', () => {
    expect([...documentedEvents.keys()]).toEqual(Object.keys(auditedEvents))
  })

  test('classifies each event as the records do', () => {
    for (const [event, { category, type, outcome }] of documentedEvents) {
      const record = toAuditRecord(event as LogEvent, {}, 'hash')
      expect(record).toMatchObject({ event: { action: event, category, type, outcome } })
    }
  })

  test('gives every field the type that ECS gives it', () => {
    expect(documentedFields).toEqual(ecsTypesOfDocumented)
    expect(Object.keys(documentedFields).length).toBeGreaterThan(25)
  })

  test('has one example of each event, in the order of its table', () => {
    expect(examples.map(({ event }) => event.action)).toEqual([...documentedEvents.keys()])
  })

  test.each(examples)('the example of $event.action is right', (example) => {
    expect(findAuditProblems(example)).toEqual([])
  })

  test('the check of records finds what is wrong', () => {
    const [right] = examples
    expect(findAuditProblems({ ...right, session: 'x' })).toEqual([
      'session is not documented for it',
      'session is no undefined: x',
    ])
    expect(findAuditProblems({ ...right, message: undefined })).not.toEqual([])
    expect(findAuditProblems({ ...right, user: { hash: 'h:1', id: 'ada' } })).not.toEqual([])
    expect(findAuditProblems({ ...right, event: { ...right?.event, type: ['denied'] } })).not.toEqual([])
  })
})

describe('a record', () => {
  test('holds what it lists, and nothing that an event says besides', () => {
    const record = toAuditRecord(
      'login_failed',
      {
        request_id: 'r',
        trace_id: 't',
        code: 'access_denied',
        access_token: 'secret',
        description: 'secret',
        names: ['secret'],
      },
      'hash',
    )
    expect(record).toMatchObject({
      event: { code: 'access_denied' },
      http: { request: { id: 'r' } },
      trace: { id: 't' },
    })
    expect(JSON.stringify(record)).not.toContain('secret')
  })

  test('names a user by the kind of name that the log has', () => {
    const toUser = (sub: string | undefined, kind: 'hash' | 'plain') =>
      toAuditRecord('login_succeeded', { sub }, kind)
    expect(toUser('h:abc', 'hash')).toMatchObject({ user: { hash: 'h:abc' } })
    expect(toUser('h:abc', 'plain')).toMatchObject({ user: { id: 'h:abc' } })
    expect(toUser(undefined, 'hash')).not.toHaveProperty('user')
  })

  test('of the end of many sessions stays short enough for one write, and says how many they were', () => {
    const sessions = Array.from({ length: 1_000 }, () => 'a'.repeat(43))
    const record = toAuditRecord('sessions_ended_by_operator', { sessions }, 'hash')
    expect(record).toMatchObject({ labels: { sessions: sessions.slice(0, 50), session_count: '1000' } })
    expect(JSON.stringify(record).length).toBeLessThan(4_096)
  })

  test('is made of audited events only', () => {
    expect(toAuditRecord('request_completed', {}, 'hash')).toBeUndefined()
  })
})

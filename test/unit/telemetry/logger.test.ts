import { expect, test } from 'vitest'
import { createLog, toLogText } from '../../../src/telemetry/logger.ts'

test('one JSON line for each event, with its level and time', () => {
  const lines: string[] = []
  createLog('info', { write: (line) => void lines.push(line) })('login_failed', {
    code: 'access_denied',
    reason: undefined,
  })
  expect(lines).toHaveLength(1)
  expect(JSON.parse(lines[0] ?? '')).toEqual({
    level: 'warn',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    event: 'login_failed',
    code: 'access_denied',
  })
})

test('the level is followed', () => {
  const lines: string[] = []
  createLog('error', { write: (line) => void lines.push(line) })('login_failed')
  expect(lines).toEqual([])
})

test('foreign texts lose what could break a line or hide in it', () => {
  expect(toLogText('a\r\nb\u001b[31mc\u202ed')).toBe('a b [31mc d')
  expect(toLogText('x'.repeat(1_000))).toHaveLength(400)
})

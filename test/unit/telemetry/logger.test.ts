import { spawn, spawnSync } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { toLogText } from '../../../src/telemetry/events.ts'
import { createLog } from '../../../src/telemetry/logger.ts'
import { root } from '../../support/processes/start-process.ts'

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

/** Writes 4,000 lines as the worker that its argument names. */
const writer = `
  import { createLog } from './src/telemetry/logger.ts'
  const log = createLog('info', { worker: Number(process.argv[1]) })
  const write = (left) => {
    for (let n = 0; n < 50; n += 1) log('request_completed', { path: '/api/session'.repeat(20) })
    if (left > 50) setTimeout(write, 1, left - 50)
  }
  write(4_000)`

/** Copies its input, too slowly for the pipe not to become full. */
const slowReader = `
  const { readSync, writeSync } = require('node:fs')
  const chunk = Buffer.alloc(3_000)
  const lock = new Int32Array(new SharedArrayBuffer(4))
  for (let length; (length = readSync(0, chunk)) > 0; Atomics.wait(lock, 0, 0, 1)) writeSync(1, chunk, 0, length)`

test('the lines of two workers on one pipe do not mix, even if it is full', async () => {
  const start = '"$NODE" --input-type=module -e "$WRITER"'
  const pipeline = spawn('sh', ['-c', `(${start} 1 & ${start} 2 & wait) | "$NODE" -e "$READER"`], {
    cwd: root,
    env: { NODE: process.execPath, WRITER: writer, READER: slowReader },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = (await text(pipeline.stdout)).trimEnd().split('\n')
  const workers = lines.map((line) => (JSON.parse(line) as { worker: number }).worker)
  expect(workers.filter((worker) => worker === 1)).toHaveLength(4_000)
  expect(workers.filter((worker) => worker === 2)).toHaveLength(4_000)
})

test.each([
  ['it has nothing left to do', '', 0],
  ['process.exit', 'process.exit(3)', 3],
  ['an error that is not caught', 'throw new Error()', 1],
  ['a promise that is rejected', 'await Promise.reject(new Error())', 1],
])('lines that wait are written when the process ends: %s', (_how, end, status) => {
  const logger = new URL('../../../src/telemetry/logger.ts', import.meta.url)
  const program = `import { createLog } from '${logger}'; createLog('info')('server_stopped'); ${end}`
  const ended = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' })
  expect([ended.status, ended.stdout]).toEqual([status, expect.stringContaining('server_stopped')])
})

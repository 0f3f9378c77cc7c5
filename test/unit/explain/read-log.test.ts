import { describe, expect, test } from 'vitest'
import { readLine, readLog } from '../../../src/explain/read-log.ts'

const line =
  '{"level":"warn","time":"2026-11-26T04:00:00.000Z","event":"login_failed","code":"access_denied"}'
const event = {
  level: 'warn',
  time: '2026-11-26T04:00:00.000Z',
  event: 'login_failed',
  code: 'access_denied',
}

describe('a line of the log is read', () => {
  test.each([
    ['as it is', line],
    ['as Windows ends it', `${line}\r`],
    ['behind the time of `docker logs -t`', `2026-11-26T04:00:00.123456789Z ${line}`],
    ['behind the name of Compose', `portico-1  | ${line}`],
    ['behind the prefix of `kubectl logs --prefix`', `[pod/portico-5d9/portico] ${line}`],
    ['as a Kubernetes node keeps it (CRI)', `2026-11-26T04:00:00.123456789Z stdout F ${line}`],
    ['behind that of the journal', `Nov 26 04:00:00 host portico[42]: ${line}`],
    [
      'as Docker keeps it',
      JSON.stringify({ log: `${line}\n`, stream: 'stdout', time: '2026-11-26T04:00:01Z' }),
    ],
    ['as the journal exports it', JSON.stringify({ MESSAGE: line, _PID: '42' })],
    ['as a collector has parsed it', JSON.stringify({ kubernetes: { pod: 'x' }, message: event })],
  ])('%s', (_name, text) => {
    expect(readLine(text)).toEqual(event)
  })

  test.each([
    ['an empty one', ''],
    ['one of another program', '127.0.0.1 - - "GET / HTTP/1.1" 200'],
    ['JSON of another program', '{"level":"info","event":"user_created","time":"2026-11-26T04:00:00Z"}'],
    ['JSON that is no object', '[1,2]'],
    ['half a line', line.slice(0, 60)],
    ['an event without a time', '{"event":"login_failed"}'],
    ['a name of every object', '{"event":"constructor","time":"2026-11-26T04:00:00Z"}'],
  ])('%s is skipped', (_name, text) => {
    expect(readLine(text)).toBe('foreign')
  })

  test.each([
    '[04:00:00.000] WARN: login_failed         code=access_denied',
    '\u001b[33mWARN\u001b[39m: \u001b[1mlogin_failed\u001b[22m',
  ])('one for people is recognised: %j', (text) => {
    expect(readLine(text)).toBe('pretty')
  })

  test('one for people is not looked for in all of a long line, which would take minutes', () => {
    expect(readLine(`INFO: login_succeeded ${'INFO '.repeat(100_000)}`)).toBe('pretty')
    const startedAt = process.cpuUsage()
    expect(readLine('INFO '.repeat(100_000))).toBe('foreign')
    expect(process.cpuUsage(startedAt).user).toBeLessThan(1_000_000)
  })

  test('what is in it cannot steer a terminal', () => {
    const hostile = JSON.stringify({
      ...event,
      reason: '\u001b]0;owned\u0007\nCause: nothing',
      names: ['\u001b[2J'],
    })
    expect(JSON.stringify(readLine(hostile))).not.toMatch(/\\u001b|\\n|\\u0007/)
  })
})

test('lines are found wherever the pieces of the input end, and the last one needs no line break', async () => {
  const text = `${line}\nother\n${line}`
  for (const size of [1, 7, 1_000]) {
    const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, at) =>
      text.slice(at * size, (at + 1) * size),
    )
    expect(await collect(readLog(toAsync(pieces)))).toEqual([event, 'foreign', event])
  }
})

test('a line of more than a million characters is not kept, and is none of ours', async () => {
  const long = JSON.stringify({ ...event, reason: 'x'.repeat(1_500_000) })
  const pieces = [...(long.match(/.{1,400000}/g) ?? []), `\n${line}`]
  expect(await collect(readLog(toAsync(pieces)))).toEqual(['foreign', event])
})

async function* toAsync(pieces: readonly string[]): AsyncGenerator<string> {
  yield* pieces
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

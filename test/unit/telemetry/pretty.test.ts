import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { createLog } from '../../../src/telemetry/logger.ts'
import { toPrettyWriter } from '../../../src/telemetry/pretty.ts'

/** A terminal with or without colors. */
function createTerminal(hasColors: boolean) {
  const printed: string[] = []
  const write = (text: string) => printed.push(text) > 0
  const out = { isTTY: true, hasColors: () => hasColors, write, on() {} } as unknown as NodeJS.WriteStream
  return { log: createLog('info', { write: toPrettyWriter(out) }), printed }
}

const time = /^\[\d\d:\d\d:\d\d\.\d{3}\] /

test('time, level, event and fields in a line, the ids at its end', () => {
  const { log, printed } = createTerminal(false)
  log('login_failed', {
    request_id: 'abc',
    code: 'access_denied',
    reason: 'the user "left"',
    step: undefined,
  })
  expect(printed.map((line) => line.replace(time, ''))).toEqual([
    'WARN: login_failed         code=access_denied reason="the user \\"left\\"" request_id=abc\n',
  ])
  expect(printed[0]).toMatch(time)
})

test('what a provider sends cannot control the terminal, or begin a line', () => {
  const { log, printed } = createTerminal(false)
  const hostile = ['\u001b]0;title\u0007', '\u009b2J', '\u202eabc', 'a\nERROR: x', '\u007f']
  log('provider_keys_fetched', { kids: hostile.slice(0, 4) })
  log('login_succeeded', { sub: hostile[4] })
  expect(printed[0]).toContain('kids="\\u001b]0;title\\u0007","\\u{9b}2J","\\u{202e}abc","a\\nERROR: x"\n')
  expect(printed[1]).toContain('sub="\\u{7f}"\n')
})

test('many fields have a line each, and so have the frames of a defect', () => {
  const { log, printed } = createTerminal(false)
  log('server_starting', Object.fromEntries([...'abcdefghijk'].map((name) => [name, name])))
  log('request_failed', {
    request_id: 'abc',
    error: 'TypeError',
    frames: ['one', 'two', 'three', 'four', 'five'],
  })
  expect(printed[0]).toContain('server_starting\n    a=a\n    b=b\n')
  expect(printed[1]).toContain(
    'request_failed request_id=abc\n    error=TypeError\n    frames=one\n      two\n',
  )
})

test('colors where the terminal has them: ids are dim', () => {
  const { log, printed } = createTerminal(true)
  log('login_started', { provider: 'okta', login: '0mh4xtxyt12345678' })
  expect(printed[0]).toContain('\u001b[2mlogin=0mh4xtxyt12345678\u001b[22m')
  expect(stripVTControlCharacters(printed[0] ?? '')).toContain(
    'INFO: login_started        provider=okta login=',
  )
})

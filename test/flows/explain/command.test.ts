import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { compileCache, root } from '../../support/processes/start-process.ts'

/** `portico-bff explain`, as an operator calls it. */

function explain(args: string[], input: string) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'src/main.ts'), 'explain', ...args],
    {
      input,
      env: compileCache,
      encoding: 'utf8',
    },
  )
  return { status, stdout, stderr }
}

const login = '0mwx1d8u6df728e0c'
const request = '8e220408-2ec4-4f5f-b9a9-acf1babb61d6'
const log = [
  { time: '2026-11-26T04:00:00.000Z', event: 'login_started', provider: 'okta', login, request_id: 'first' },
  {
    time: '2026-11-26T04:00:20.000Z',
    event: 'login_refused_by_provider',
    provider: 'okta',
    error: 'access_denied',
    description: 'Policy evaluation failed',
    login,
    request_id: request,
  },
  {
    time: '2026-11-26T04:00:20.001Z',
    event: 'login_failed',
    provider: 'okta',
    code: 'access_denied',
    reason: 'access_denied',
    step: 'callback',
    login,
    request_id: request,
  },
]
  .map((line) => `portico-1  | ${JSON.stringify({ level: 'info', ...line })}\n`)
  .join('')

describe('portico-bff explain', () => {
  test.each([request, login, 'first'])('prints the story of the id %s, and succeeds', (id) => {
    const { status, stdout, stderr } = explain([id], `another program\n${log}`)
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toBe(`Login ${login} at okta, begun 2026-11-26T04:12:06.270Z, failed.
  2026-11-26T04:00:00.000Z  the login began: the browser was sent to the provider (okta)
  2026-11-26T04:00:20.000Z  the provider sent the user back with the error access_denied (Policy evaluation failed)
  2026-11-26T04:00:20.001Z  the login failed: access_denied
Cause: the user cancelled at the provider, or the provider does not let this user use the app
Remedy: assign the user or a group of the user to the app at the provider, or let the user try again
`)
  })

  test.each([
    ['an id that the log does not have', 'unknown', log, 'No line of this log has the id unknown.'],
    [
      'a login that the log does not have',
      '0mwx1d8u6df728e0d',
      log,
      'a login that was begun 2026-11-26T04:12:06.270Z',
    ],
    ['a log of another program', request, 'one\ntwo\n', 'There is no line of Portico in this log.'],
    ['an empty log', request, '', 'There is no line of Portico in this log.'],
    [
      'lines for people',
      request,
      '[04:00:00.000] WARN: login_failed  code=access_denied\n',
      'Set LOG_FORMAT=json',
    ],
  ])('says so, and exits with 1: %s', (_name, id, input, said) => {
    const { status, stdout } = explain([id], input)
    expect([status, stdout]).toEqual([1, expect.stringContaining(said)])
  })

  test.each([[[]], [['']], [[request, 'more']]])('with the arguments %j: usage, 64', (args) => {
    const { status, stderr } = explain(args, log)
    expect([status, stderr]).toEqual([64, expect.stringContaining('explain')])
  })

  // More logins than it remembers.
  test('reads a log of 45,000 logins without keeping it', { timeout: 60_000 }, () => {
    const others = Array.from({ length: 45_000 }, (_, count) =>
      JSON.stringify({
        level: 'info',
        time: '2026-11-26T03:00:00.000Z',
        event: 'login_started',
        login: `0mwx1d8u6${count.toString(16).padStart(8, '0')}`,
        request_id: `r-${count}`,
      }),
    ).join('\n')
    const { status, stdout } = explain([request], `${others}\n${log}`)
    expect([status, stdout.split('\n')]).toEqual([
      0,
      expect.arrayContaining([expect.stringContaining('login began')]),
    ])
  })
})

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { folderVariable, listFiles, prepareFolder } from '../../support/canaries/files.ts'
import {
  recordAppToken,
  recordCookie,
  recordProviderRequest,
  recordSettings,
  recordState,
  recordTokenResponse,
} from '../../support/canaries/secrets.ts'
import { startTestServer } from '../../support/network/http-server.ts'
import { root } from '../../support/processes/start-process.ts'

/** What a test run remembers as secret, and that it fails where one of them is found. */

const before = process.env[folderVariable]
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portico-canaries-'))
  prepareFolder(folder)
})
afterEach(() => {
  rmSync(folder, { recursive: true })
  if (before === undefined) delete process.env[folderVariable]
  else process.env[folderVariable] = before
})

const secret = (name: string) => `${name}-0123456789abcdef`
const remembered = () =>
  listFiles(folder)
    .flatMap((file) => readFileSync(file, 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => line.split('\t').slice(1).join(': '))

test.each<[string, () => void, string[]]>([
  [
    'settings',
    () =>
      recordSettings({
        BFF_SECRETS: `${secret('new')},${secret('old')}`,
        OIDC_CLIENT_SECRET: secret('client'),
        OPERATOR_SECRET: secret('operator'),
        FORWARD_AUTH_SECRET: secret('proxy'),
        APP_TOKEN_KEYS: `[{"kty":"EC","d":"${secret('app')}"}]`,
        OIDC_CLIENT_KEY: `{"kty":"EC","d":"${secret('key')}"}`,
        REDIS_URL: `redis://user:${secret('redis')}%2B@127.0.0.1:6379`,
        https_proxy: `http://user:${secret('forward')}%2B@127.0.0.1:3128`,
        PUBLIC_URL: 'https://app.example.com',
      }),
    [
      `master secret: ${secret('new')}`,
      `master secret: ${secret('old')}`,
      `client secret: ${secret('client')}`,
      `operator secret: ${secret('operator')}`,
      `forward-auth secret: ${secret('proxy')}`,
      `private key: ${secret('app')}`,
      `private key: ${secret('key')}`,
      `Redis password: ${secret('redis')}+`,
      `forward proxy password: ${secret('forward')}+`,
    ],
  ],
  [
    'a request of the token endpoint',
    () =>
      recordProviderRequest(
        `${new URLSearchParams({
          code: secret('code'),
          code_verifier: secret('verifier'),
          refresh_token: secret('refresh'),
          client_assertion: secret('assertion'),
          scope: secret('no'),
        })}`,
        `Basic ${Buffer.from(`id:${secret('a:b')}`).toString('base64')}`,
      ),
    [
      `code: ${secret('code')}`,
      `code verifier: ${secret('verifier')}`,
      `refresh token: ${secret('refresh')}`,
      `client assertion: ${secret('assertion')}`,
      `client secret: ${secret('a:b')}`,
    ],
  ],
  [
    'a token response',
    () =>
      recordTokenResponse(
        `{"access_token":"${secret('access')}", "refresh_token" : "${secret('refresh')}","id_token":"${secret('id')}"}`,
      ),
    [`access token: ${secret('access')}`, `refresh token: ${secret('refresh')}`, `ID token: ${secret('id')}`],
  ],
  [
    'a state',
    () => recordState(`https://idp/?a=1&state=0123456789.${secret('state')}`),
    [`state: ${secret('state')}`],
  ],
  ['an app token', () => recordAppToken(`{"token":"${secret('token')}"}`), [`app token: ${secret('token')}`]],
  ['a cookie', () => recordCookie(`name=s%3A${secret('id')}; Path=/`), [`cookie: ${secret('id')}`]],
])('%s', (_name, record, expected) => {
  record()
  expect(remembered()).toEqual(expected)
})

test('what a collector of traces receives is output, whichever server it is', async () => {
  const collector = await startTestServer()
  collector.serve((req, res) => {
    req.resume()
    res.end()
  })
  await (await fetch(`${collector.origin}/v1/traces`, { method: 'POST', body: 'some spans' })).text()
  await expect.poll(remembered).toEqual(['traces: some spans'])
  await collector.close()
})

/** The end of a run whose tests have passed, in a process of its own. */
const endRun = () => {
  const module = join(root, 'test/support/closing-line.ts')
  const script = `import Line from ${JSON.stringify(module)}; new Line().onTestRunEnd([], [])`
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
    env: { ...process.env, [folderVariable]: folder },
  })
  return { status, stdout }
}

test('a run fails at its end where a secret was put out, and does not show it', () => {
  writeFileSync(join(folder, '1.txt'), `S\tcode\t${secret('code')}\nO\tlog\tnothing\n`)
  expect(endRun()).toMatchObject({ status: 0, stdout: expect.stringContaining('\n0 passed, 0 failed\n') })
  writeFileSync(join(folder, '2.txt'), `O\tlog\tit was ${secret('code')}\n`)
  const { status, stdout } = endRun()
  expect(status).toBe(1)
  expect(stdout).toContain('code in log, 1 times')
  expect(stdout).toContain('\n0 passed, 1 failed\n')
  expect(stdout).not.toContain(secret('code'))
})

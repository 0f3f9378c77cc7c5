import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestBrowser } from '../support/browser.ts'
import { folderVariable, listFiles, prepareFolder, recordOutput } from '../support/canaries/files.ts'
import { type Leak, searchFolder } from '../support/canaries/search.ts'
import { type Fleet, startFleet } from '../support/deployments/fleet.ts'
import { logInAtScripted } from '../support/login.ts'
import { startPortico, testSecret } from '../support/portico.ts'
import { startScriptedProvider } from '../support/providers/scripted-provider.ts'

/**
 * That the search at the end of a test run would find a secret: real processes issue some, in a folder of their
 * own, and then their log is made to contain each of them. It contains the path of every request.
 */

const before = process.env[folderVariable]
const folder = mkdtempSync(join(tmpdir(), 'portico-canaries-'))
let fleet: Fleet
let browser: TestBrowser
beforeAll(async () => {
  prepareFolder(folder)
  fleet = await startFleet({ replicas: 1, env: { OPERATOR_SECRET: testSecret(), OPERATOR_PORT: '0' } })
  browser = await fleet.signIn()
  await fleet.askToken(browser)
})
afterAll(async () => {
  await fleet.close()
  rmSync(folder, { recursive: true })
  if (before === undefined) delete process.env[folderVariable]
  else process.env[folderVariable] = before
})

/** The secrets that were recorded, each kind once. */
function readSecrets(): Map<string, string> {
  const lines = listFiles(folder).flatMap((file) => readFileSync(file, 'utf8').split('\n'))
  const secrets = lines.map((line) => line.split('\t')).filter(([mark]) => mark === 'S')
  return new Map(secrets.map(([, kind = '', secret = '']) => [kind, secret]))
}

const places = (leaks: Leak[]) => leaks.map(({ kind, channel }) => `${kind} in ${channel}`).sort()

const kinds = [
  'ID token',
  'access token',
  'app token',
  'client secret',
  'code',
  'code verifier',
  'cookie',
  'master secret',
  'operator secret',
  'refresh token',
  'state',
]

test('a login and a token: secrets of eleven kinds are recorded, and none of them is in any output', () => {
  expect([...readSecrets().keys()].sort()).toEqual(kinds)
  const { leaks, searched } = searchFolder(folder)
  expect(places(leaks)).toEqual([])
  expect(searched).toBeGreaterThan(1_000)
})

test('servers within the process of a test are watched as well', async () => {
  const idp = await startScriptedProvider()
  const portico = await startPortico({ issuer: idp.issuer })
  const { response } = await logInAtScripted(portico, idp)
  expect(response.status).toBe(200)
  await portico.close()
  await idp.close()
  const own = listFiles(folder).find((file) => basename(file).startsWith(`${process.pid}-`)) ?? ''
  const lines = readFileSync(own, 'utf8').split('\n')
  const recorded = new Set(lines.map((line) => line.split('\t', 2).join(' ')))
  for (const one of ['S access token', 'S code', 'S cookie', 'S app token', 'S state', 'O log']) {
    expect(recorded).toContain(one)
  }
  expect(recorded).toContain('O answer /api/callback')
  expect(recorded).toContain('O headers /api/callback')
})

test('each of them is found once a request has planted it in the log of a server', async () => {
  for (const secret of readSecrets().values()) {
    // The log has 200 characters of a path.
    const end = secret.split('.').at(-1)?.slice(-150)
    await fleet.call(browser, 'GET', `/api/unknown/${end}`)
  }
  const inLog = () =>
    places(searchFolder(folder).leaks).filter((place) => place.endsWith(' in output of src/main.ts'))
  await expect.poll(inLog).toEqual(kinds.map((kind) => `${kind} in output of src/main.ts`))
})

test('each of them is found in what a test receives elsewhere, such as an audit stream', () => {
  for (const [, secret] of readSecrets()) recordOutput('audit', `{"message":"${secret}"}`)
  const inAudit = places(searchFolder(folder).leaks).filter((place) => place.endsWith(' in audit'))
  expect(inAudit).toEqual(kinds.map((kind) => `${kind} in audit`))
})

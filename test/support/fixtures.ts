import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JWTPayload } from 'jose'
import { test as base, expect, onTestFinished } from 'vitest'
import type { TestBrowser } from './browser.ts'
import { logInAtScripted } from './login.ts'
import { startPortico, type TestPortico } from './portico.ts'
import { startOkta } from './providers/okta.ts'
import {
  type ProviderScript,
  type ScriptedProvider,
  startScriptedProvider,
} from './providers/scripted-provider.ts'

/**
 * The set-up that most tests share. A file gets its `test` from a function below:
 *
 *     const test = serverPerFile({ env: { OIDC_TIMEOUT: '1s' } })
 *
 *     test('a user signs in', async () => {
 *       const browser = await signIn()
 *       expect((await getSession(portico, browser)).active).toBe(true)
 *     })
 *
 * `idp`, `okta` and `portico` are fixtures of that `test`. They are exported as well, so that the helper
 * functions of a file can use them: a worker runs one file after the other, and vitest starts the fixtures
 * before the first `beforeEach`. A `beforeAll` that needs them is a `test.beforeAll`.
 */

/** The provider that a test scripts. */
export let idp: ScriptedProvider
/** The demo's provider, which behaves as Okta does. */
export let okta: Awaited<ReturnType<typeof startOkta>>
/** The server under test. */
export let portico: TestPortico

interface ServerOptions {
  /** Settings in addition to the defaults; undefined removes one. */
  env?: Record<string, string | undefined>
  /** What `idp` follows while the server starts. */
  script?: ProviderScript
}

/** Starts `idp` for a file whose tests start their servers themselves. After each test its script ends. */
export function providerPerFile() {
  return (
    base
      // biome-ignore lint/correctness/noEmptyPattern: vitest reads the needs of a fixture from a pattern.
      .extend('idp', { scope: 'file', auto: true }, async ({}, { onCleanup }) => {
        idp = await startScriptedProvider()
        onCleanup(idp.close)
        return idp
      })
      .extend('reset', { auto: true }, ({ idp }, { onCleanup }) => onCleanup(() => idp.reset()))
  )
}

type OnCleanup = (close: () => Promise<void>) => void

async function start(issuer: string, env: ServerOptions['env'], onCleanup: OnCleanup): Promise<TestPortico> {
  portico = await startPortico({ issuer, env: env ?? {} })
  onCleanup(portico.close)
  return portico
}

async function startAtIdp({ env, script = {} }: ServerOptions, onCleanup: OnCleanup): Promise<TestPortico> {
  idp.script(script)
  await start(idp.issuer, env, onCleanup)
  idp.follow(portico.clock)
  return portico
}

/** Starts `idp` and `portico` for a file, with one clock. */
export function serverPerFile(options: ServerOptions = {}) {
  return providerPerFile().extend('portico', { scope: 'file', auto: true }, ({ idp: _ }, { onCleanup }) =>
    startAtIdp(options, onCleanup),
  )
}

/** Starts `idp` for a file, and a `portico` for each of its tests, with the same clock. */
export function serverPerTest(options: ServerOptions = {}) {
  return providerPerFile().extend('portico', { auto: true }, ({ idp: _ }, { onCleanup }) =>
    startAtIdp(options, onCleanup),
  )
}

/** Starts `okta`, and a `portico` that trusts it, for a file. */
export function oktaPerFile({ env }: Pick<ServerOptions, 'env'> = {}) {
  return (
    base
      // biome-ignore lint/correctness/noEmptyPattern: as above.
      .extend('okta', { scope: 'file', auto: true }, async ({}, { onCleanup }) => {
        okta = await startOkta()
        onCleanup(okta.close)
        return okta
      })
      .extend('portico', { scope: 'file', auto: true }, ({ okta }, { onCleanup }) =>
        start(okta.issuer, env, onCleanup),
      )
  )
}

/** Signs a user in at `idp`, and returns the browser; `claims` change those of the ID token. */
export async function signIn(
  claims?: JWTPayload,
  at: Pick<TestPortico, 'url'> = portico,
): Promise<TestBrowser> {
  if (claims !== undefined) idp.script({ idTokenClaims: (before) => ({ ...before, ...claims }) })
  const { browser, response } = await logInAtScripted(at, idp)
  expect(response.status).toBe(200)
  if (claims !== undefined) idp.reset()
  return browser
}

/** Closes what a test started at the end of that test; returns it. */
export function closeAfterTest<T extends { close(): Promise<unknown> }>(started: T): T {
  onTestFinished(async () => void (await started.close()))
  return started
}

/** Writes a file for PROVIDERS_FILE, which is removed after the test; returns its path. */
export function writeProvidersFile(providers: object): string {
  const folder = mkdtempSync(join(tmpdir(), 'portico-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'providers.json')
  writeFileSync(path, JSON.stringify(providers))
  return path
}

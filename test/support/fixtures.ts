import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JWTPayload } from 'jose'
import { test as base, expect, onTestFinished } from 'vitest'
import type { TestBrowser } from './browser.ts'
import { logInAtScripted } from './login.ts'
import { startPortico, type TestPortico } from './portico.ts'
import { startOkta } from './providers/okta.ts'
import { type Defect, type ScriptedProvider, startScriptedProvider } from './providers/scripted-provider.ts'

/**
 * The set-up that most tests share. A file takes its `test` from one of the functions below, and imports what that starts:
 *
 *     const test = serverPerFile({ env: { OIDC_TIMEOUT: '1s' } })
 *
 *     test('a user signs in', async () => {
 *       const browser = await signIn()
 *       expect((await getSession(portico, browser)).active).toBe(true)
 *     })
 *
 * `idp`, `okta` and `portico` are fixtures of that `test`. They are exports as well, so that the helpers of a file can use
 * them, too: vitest loads this module anew for each test file, and the fixtures are running before the first hook of a test.
 */

/** The provider that a test scripts. */
export let idp: ScriptedProvider
/** The embedded provider, which has the shape of Okta. */
export let okta: Awaited<ReturnType<typeof startOkta>>
/** The server under test. */
export let portico: TestPortico

interface ServerOptions {
  /** Settings beside the defaults; undefined removes one. */
  env?: Record<string, string | undefined>
  /** What `idp` does otherwise while the server starts. */
  script?: Defect
}

/** Starts `idp` for a file, whose tests start their servers themselves. After each test it behaves again. */
export function providerPerFile() {
  return (
    base
      // biome-ignore lint/correctness/noEmptyPattern: vitest wants a pattern, in which it reads what a fixture needs.
      .extend('idp', { scope: 'file', auto: true }, async ({}, { onCleanup }) => {
        idp = await startScriptedProvider()
        onCleanup(idp.close)
        return idp
      })
      .extend('reset', { auto: true }, ({ idp }, { onCleanup }) => onCleanup(() => idp.misbehave()))
  )
}

type OnCleanup = (close: () => Promise<void>) => void

async function start(issuer: string, env: ServerOptions['env'], onCleanup: OnCleanup): Promise<TestPortico> {
  portico = await startPortico({ issuer, env: env ?? {} })
  onCleanup(portico.close)
  return portico
}

async function startAtIdp({ env, script }: ServerOptions, onCleanup: OnCleanup): Promise<TestPortico> {
  idp.misbehave(script)
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

/** Signs a user in at `idp`; `claims` are what the ID token says otherwise than by default. */
export async function signIn(
  claims?: JWTPayload,
  at: Pick<TestPortico, 'url'> = portico,
): Promise<TestBrowser> {
  if (claims !== undefined) idp.misbehave({ idTokenClaims: (before) => ({ ...before, ...claims }) })
  const { browser, response } = await logInAtScripted(at, idp)
  expect(response.status).toBe(200)
  if (claims !== undefined) idp.misbehave()
  return browser
}

/** Closes a server, or whatever else was started within a test, after that test; returns it. */
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

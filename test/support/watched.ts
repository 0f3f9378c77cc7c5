import express, { type RequestHandler } from 'express'
import { createTestBrowser } from './browser.ts'
import { startPatient } from './doctor.ts'
import { type LoginAnswer, startLogin } from './login.ts'
import { startPortico, type TestPortico } from './portico.ts'
import { signInAtOkta } from './providers/okta.ts'

/** A call of Portico, as the provider saw it. */
interface Call {
  path: string
  body: Record<string, string>
  dpop: string | undefined
  authorization: string | undefined
}

export type PatientOptions = NonNullable<Parameters<typeof startPatient>[0]>

/** A provider that is watched, and a Portico for it; `keep` closes both after the test. */
export async function startWatched(
  keep: <T extends { close(): Promise<unknown> }>(one: T) => T,
  options: PatientOptions,
  env: Record<string, string | undefined> = {},
) {
  const calls: Call[] = []
  const watch: RequestHandler = (req, _res, next) => {
    const { dpop, authorization } = req.headers
    if (req.method === 'POST' || req.path.endsWith('userinfo')) {
      calls.push({ path: req.path, body: req.body ?? {}, dpop: dpop?.toString(), authorization })
    }
    next()
  }
  const { before = (_req, _res, next) => next() } = options
  const watched = express.Router().use(express.urlencoded({ extended: false }), watch, before)
  const patient = keep(await startPatient({ ...options, before: watched }))
  const start = async (more: Record<string, string | undefined> = {}, replaced = {}) =>
    keep(await startPortico({ env: { ...patient.env, ...env, ...more }, replaced }))
  return { calls, patient, start, portico: await start() }
}

/** The whole login, at the provider and back. */
export async function logIn(portico: TestPortico, browser = createTestBrowser()) {
  const callback = await signInAtOkta(browser, await startLogin(portico, browser))
  const response = await browser.fetch(`${portico.url}/api/callback${callback.search}`)
  return { browser, response, answer: (await response.clone().json()) as LoginAnswer }
}

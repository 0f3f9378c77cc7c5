import express, { type RequestHandler } from 'express'
import { closeAfterTest } from '../fixtures.ts'
import { startPortico } from '../portico.ts'
import { type DemoProviderSetup, startDemoProvider } from './demo-provider.ts'

/** A request of Portico, as the provider received it. */
interface Call {
  path: string
  body: Record<string, string>
  dpop: string | undefined
  authorization: string | undefined
}

/** Starts a provider whose requests are recorded, and a Portico for it; both are closed after the test. */
export async function startRecordedProvider(
  options: DemoProviderSetup,
  env: Record<string, string | undefined> = {},
) {
  const calls: Call[] = []
  const record: RequestHandler = (req, _res, next) => {
    const { dpop, authorization } = req.headers
    if (req.method === 'POST' || req.path.endsWith('userinfo')) {
      calls.push({ path: req.path, body: req.body ?? {}, dpop: dpop?.toString(), authorization })
    }
    next()
  }
  const { before = (_req, _res, next) => next() } = options
  const recorded = express.Router().use(express.urlencoded({ extended: false }), record, before)
  const idp = closeAfterTest(await startDemoProvider({ ...options, before: recorded }))
  const start = async (more: Record<string, string | undefined> = {}, replaced = {}) =>
    closeAfterTest(await startPortico({ env: { ...idp.env, ...env, ...more }, replaced }))
  return { calls, idp, start, portico: await start() }
}

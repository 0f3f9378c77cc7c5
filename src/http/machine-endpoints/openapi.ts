import type { RequestHandler } from 'express'
import { publicKeysLifetime } from '../../app-token/key-schedule.ts'
import type { Config } from '../../config/config.ts'
import { readVersion } from '../../telemetry/version.ts'

/**
 * GET /openapi.json: the OpenAPI document of this API. It is loaded and made at the first request: few
 * servers are ever asked for it.
 */
export function createOpenApiHandler(config: Config): RequestHandler {
  let made: Promise<string> | undefined
  return async (_req, res) => {
    made ??= make()
    const text = await made
    res
      .set('Cache-Control', `public, max-age=${publicKeysLifetime / 1000}`)
      .type('json')
      .send(text)
  }

  async function make(): Promise<string> {
    const { createOpenApiDocument } = await import('../openapi/document.ts')
    const { publicUrl, apiPrefix, secureCookies, cookieName } = config
    const version = readVersion()
    return JSON.stringify(createOpenApiDocument({ version, publicUrl, apiPrefix, secureCookies, cookieName }))
  }
}

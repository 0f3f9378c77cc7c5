import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createOpenApiDocument } from '../../../src/http/openapi/document.ts'
import { readVersion } from '../../../src/telemetry/version.ts'
import { root } from '../processes/start-process.ts'

/** The file of the package, which belongs to no server in particular. */
export const openApiFile = join(root, 'docs/openapi.json')

/** The document that belongs in this file. */
export const createPackagedDocument = () =>
  createOpenApiDocument({
    version: readVersion(),
    publicUrl: undefined,
    apiPrefix: '/api',
    secureCookies: true,
    cookieName: 'bff',
  })

if (process.argv[1] === import.meta.filename) {
  writeFileSync(openApiFile, `${JSON.stringify(createPackagedDocument(), null, 2)}\n`)
}

import { Validator } from '@seriousme/openapi-schema-validator'
import fc from 'fast-check'
import { expect } from 'vitest'
import { createOpenApiDocument, type OpenApiDocument } from '../../../src/http/openapi/document.ts'
import { readVersion } from '../../../src/telemetry/version.ts'
import { createTestBrowser } from '../../support/browser.ts'
import { portico, serverPerFile, signIn } from '../../support/fixtures.ts'
import { createConformance } from '../../support/openapi/conformance.ts'
import { randomRequest } from '../../support/openapi/random-requests.ts'
import { publicUrl } from '../../support/portico.ts'

const test = serverPerFile()

const fetchDocument = () => createTestBrowser().fetch(`${portico.url}/api/openapi.json`)

test('the document is that of this server, and may be cached', async () => {
  const response = await fetchDocument()
  expect(response.status).toBe(200)
  expect(response.headers.get('cache-control')).toMatch(/^public, max-age=\d+$/)
  const document = (await response.json()) as OpenApiDocument
  expect(document.servers).toEqual([{ url: publicUrl }])
  expect(document).toEqual(
    JSON.parse(
      JSON.stringify(
        createOpenApiDocument({
          version: readVersion(),
          publicUrl,
          apiPrefix: '/api',
          secureCookies: true,
          cookieName: 'bff',
        }),
      ),
    ),
  )
})

test('the document is valid OpenAPI 3.1', async () => {
  const validator = new Validator()
  const result = await validator.validate((await (await fetchDocument()).json()) as Record<string, unknown>)
  expect(result.errors).toBeUndefined()
  expect(validator.version).toBe('3.1')
})

test('every address has the methods that the document says, and no other', async () => {
  const { paths } = (await (await fetchDocument()).json()) as OpenApiDocument
  // Which methods those have, other servers say.
  const own = Object.entries(paths).filter(([path]) => !/^\/api\/(proxy|forward-auth)\/\{/.test(path))
  for (const [path, operations] of own) {
    const address = `${portico.url}${path.replaceAll(/\{\w+\}/g, 'x')}`
    const { status, headers } = await createTestBrowser().fetch(address, { method: 'PUT' })
    const allowed = headers.get('allow')?.toLowerCase().split(', ').sort()
    expect([path, status, allowed]).toEqual([path, 405, Object.keys(operations).sort()])
  }
})

test('random requests get no 500, and no answer that is not documented', async () => {
  const document = (await (await fetchDocument()).json()) as OpenApiDocument
  const findDeviation = createConformance(document)
  let browser = await signIn()
  const statuses = new Map<number, number>()
  await fc.assert(
    fc.asyncProperty(randomRequest(document), async ({ operationId, target, init }) => {
      const response = await browser.fetch(`${portico.url}${target}`, init)
      const { status } = response
      const answer = { status, headers: new Map(response.headers), body: await response.text() }
      expect(status).not.toBe(500)
      expect(findDeviation({ method: init.method ?? 'GET', target, ...answer })).toBeUndefined()
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      // What follows would only be refused.
      if ((operationId === 'logOut' || operationId === 'endSession') && status < 400) browser = await signIn()
    }),
    { numRuns: 400 },
  )
  // Otherwise the requests would not reach what is behind the guards.
  expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 400, 403, 404]))
})

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { closeAfterTest, idp, providerPerFile } from '../../support/fixtures.ts'
import { freePort, startTestServer } from '../../support/network/http-server.ts'
import { testSecret } from '../../support/portico.ts'
import { root, startProcess } from '../../support/processes/start-process.ts'

const test = providerPerFile()
const file = 'examples/embedded/app.js'

test('ten lines of Express sign in, protect a route and call an API with the token of the provider', async () => {
  const received: (string | undefined)[] = []
  const api = closeAfterTest(await startTestServer())
  api.serve((req, res) => {
    received.push(req.headers.authorization)
    res.setHeader('Content-Type', 'application/json')
    res.end('["an order"]')
  })
  const port = await freePort()
  const url = `http://localhost:${port}`
  const app = startProcess(file, [], {
    NODE_OPTIONS: `--import=${join(root, 'test/support/processes/from-source.ts')}`,
    PUBLIC_URL: `${url}/shop`,
    PORT: String(port),
    ORDERS_API: api.origin,
    BFF_SECRETS: testSecret(),
    OIDC_ISSUER: idp.issuer,
    OIDC_CLIENT_ID: 'portico-test',
    OIDC_CLIENT_SECRET: 'test-client-secret',
    OIDC_SCOPES: 'openid profile email offline_access orders:read',
    // It must not end the process, nor listen: both are the app's.
    OPERATOR_SECRET: testSecret(),
    OPERATOR_PORT: String(port),
  })
  const ended = { stop: () => app.stop('SIGKILL') }
  closeAfterTest({ close: () => ended.stop() })
  await app.line(/provider_discovered/)
  const browser = createTestBrowser()
  const open = async (path: string) => {
    const answer = await browser.visit(url + path)
    return [answer.status, answer.headers.get('location') ?? (await answer.text())]
  }
  expect(await open('/orders')).toEqual([302, '/shop/api/login?return_to=%2Forders'])
  const [, login] = await open('/shop/api/login?return_to=%2Forders')
  const landed = await browser.arrive(`${url}/shop/api/callback?${idp.authorize(String(login))}`)
  expect([landed.status, landed.headers.get('location')]).toEqual([303, '/orders'])
  expect(await open('/orders')).toEqual([200, '["an order"]'])
  expect(await open('/')).toEqual([200, 'Hello Grace Hopper'])
  expect(received).toEqual([expect.stringMatching(/^Bearer eyJ/)])
  const [, payload = ''] = received[0]?.split('.') ?? []
  expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({ iss: idp.issuer })

  // Nothing of Portico keeps the process running once it is closed.
  expect(await app.stop('SIGTERM')).toBe(0)
  expect(app.output.text).toContain('server_stopped')
})

test('docs/embedding.md shows the example as it is', () => {
  const text = readFileSync(join(root, file), 'utf8')
  expect(readFileSync(join(root, 'docs/embedding.md'), 'utf8')).toContain(text)
})

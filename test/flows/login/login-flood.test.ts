import { Agent, request } from 'undici'
import { expect, test } from 'vitest'
import { startPortico } from '../../support/portico.ts'
import { startScriptedProvider } from '../../support/providers/scripted-provider.ts'

/** docs/decisions/0001-*.md: no session and no store entry exists before a login succeeds (F54). */
test('30,000 anonymous login starts leave the store empty', async () => {
  const idp = await startScriptedProvider()
  const portico = await startPortico({ issuer: idp.issuer, env: { LOG_LEVEL: 'silent' } })
  const dispatcher = new Agent({ connections: 20 })
  let left = 30_000
  const startLogins = async () => {
    while (left > 0) {
      left -= 1
      const { statusCode, body } = await request(`${portico.url}/api/login`, { dispatcher })
      await body.dump()
      expect(statusCode).toBe(200)
    }
  }
  await Promise.all(Array.from({ length: 20 }, startLogins))
  process.stdout.write(`store entries after 30,000 anonymous GET /api/login: ${portico.store.size()}\n`)
  expect(portico.store.size()).toBe(0)
  await dispatcher.close()
  await portico.close()
  await idp.close()
}, 120_000)

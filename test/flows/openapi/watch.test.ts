import { describe, expect, test } from 'vitest'
import { closeAfterTest } from '../../support/fixtures.ts'
import { startTestServer } from '../../support/network/http-server.ts'
import { failOnDeviations, takeDeviations } from '../../support/openapi/watch.ts'

/** Asks a server that answers as no Portico does, but names its requests like one. */
async function ask(path: string): Promise<void> {
  const server = closeAfterTest(await startTestServer())
  server.serve((_req, res) => {
    res.writeHead(200, {
      'X-Request-Id': 'r-1',
      'Cache-Control': 'no-store',
      'Content-Type': 'application/json',
    })
    res.end('{"active":false,"surplus":true}')
  })
  await (await fetch(server.origin + path)).text()
}

describe('an answer that is not as documented', () => {
  test.each(['/api/session', '/shop/api/session'])(
    'fails the test that it was given in: %s',
    async (path) => {
      await ask(path)
      expect(failOnDeviations).toThrow(`GET ${path.replace('/shop', '')} 200: `)
      // Once: it was that test's.
      expect(takeDeviations()).toEqual([])
    },
  )

  test('is none of ours where no Portico answered', async () => {
    await ask('/orders')
    expect(failOnDeviations).not.toThrow()
  })
})

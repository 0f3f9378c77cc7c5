import { expect } from 'vitest'
import { closeAfterTest, idp, providerPerFile } from '../../support/fixtures.ts'
import { csrf, logInAtScripted } from '../../support/login.ts'
import { startPortico } from '../../support/portico.ts'
import { startOtlpReceiver } from '../../support/telemetry/otlp-receiver.ts'

const test = providerPerFile()

async function startTraced(env: Record<string, string> = {}) {
  const receiver = closeAfterTest(await startOtlpReceiver())
  const portico = closeAfterTest(
    await startPortico({
      issuer: idp.issuer,
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint, ...env },
    }),
  )
  idp.follow(portico.clock)
  return { receiver, portico, flush: () => portico.components.tracing.close() }
}

test('a login is one trace, from the first redirect to the session', async () => {
  const { receiver, portico, flush } = await startTraced()
  const { response, browser } = await logInAtScripted(portico, idp)
  expect(response.status).toBe(200)
  await browser.fetch(`${portico.url}/api/session`, { headers: csrf })
  await flush()
  console.log(JSON.stringify(receiver.spans, null, 1))
})

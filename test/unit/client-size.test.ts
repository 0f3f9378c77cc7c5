import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { bundleClient } from '../support/chromium/bundle.ts'

/** Bytes of a KB. */
const kilobyte = 1024

test('minified and compressed, the client is under 5 KB, and the code for keys, loaded later, under 2 KB', async () => {
  const [client = 0, ...later] = (await bundleClient()).map(({ code }) => gzipSync(code, { level: 9 }).length)
  const forKeys = later.reduce((sum, size) => sum + size, 0)
  process.stdout.write(`The browser client has ${client} bytes compressed, the code for keys ${forKeys}.\n`)
  expect(client).toBeLessThan(5 * kilobyte)
  expect(later).toHaveLength(1)
  expect(forKeys).toBeLessThan(2 * kilobyte)
})

import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { bundleClient } from '../support/chromium/bundle.ts'

/** Bytes of a KB. */
const kilobyte = 1024

test('minified and compressed, the client is under 5 KB, and what it loads later, if needed, under 2.5 KB', async () => {
  const [client = 0, ...later] = (await bundleClient()).map(({ code }) => gzipSync(code, { level: 9 }).length)
  const total = later.reduce((sum, size) => sum + size, 0)
  process.stdout.write(
    `Bytes of the browser client, compressed: ${client}, and later ${later.join(' or ')}.\n`,
  )
  expect(client).toBeLessThan(5 * kilobyte)
  // The code for keys, and that for a step-up.
  expect(later).toHaveLength(2)
  expect(total).toBeLessThan(2.5 * kilobyte)
})

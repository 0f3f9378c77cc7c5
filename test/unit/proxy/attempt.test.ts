import { Pool } from 'undici'
import { expect, test } from 'vitest'
import { startAttempt } from '../../../src/proxy/exchange/attempt.ts'
import { closeAfterTest } from '../../support/fixtures.ts'
import { startRawUpstream } from '../../support/upstreams/raw-upstream.ts'

const sink = {
  holdsBack: () => false,
  begin: () => {},
  data: () => true,
  end: () => {},
  upgrade: () => {},
  progress: () => {},
}
const toRequest = (path: string) => ({ method: 'POST', path, headers: [], body: null, upgrade: null })
const gone = new Error('the browser has gone')

test('a request that is stopped while it waits for a connection is never sent', async () => {
  const upstream = closeAfterTest(await startRawUpstream())
  const pool = closeAfterTest(new Pool(upstream.origin, { connections: 1, pipelining: 1 }))
  const stopped = startAttempt(pool, toRequest('/stopped'), sink)
  stopped.abort(gone)
  await expect(stopped.result).rejects.toBe(gone)
  await startAttempt(pool, toRequest('/next'), sink).result
  expect(upstream.requests.map(({ line }) => line)).toEqual(['POST /next HTTP/1.1'])
})

test('it is given up at once, even where no connection is ever made', async () => {
  const pool = new Pool('http://upstream.invalid', { connect: () => {} })
  const attempt = startAttempt(pool, toRequest('/x'), sink)
  attempt.abort(gone)
  attempt.abort(new Error('another one'))
  await expect(attempt.result).rejects.toBe(gone)
})

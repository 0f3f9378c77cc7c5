import { CompactSign, errors, type JSONWebKeySet } from 'jose'
import { expect, test } from 'vitest'
import { createJwksCache } from '../../../src/jwks/jwks-cache.ts'
import { createTestClock, seconds } from '../../support/clock.ts'
import { createProviderKey } from '../../support/providers/scripted-provider.ts'

const key = await createProviderKey('known')
const options = { algorithms: ['RS256'] }
const sign = (kid: string) =>
  new CompactSign(Buffer.from('{}')).setProtectedHeader({ alg: 'RS256', kid }).sign(key.privateKey)

/** A cache that knows the key `known`, and whose endpoint has failed since. */
async function openDuringOutage() {
  const clock = createTestClock()
  const outage = new Error('the endpoint is down')
  let isDown = false
  let fetches = 0
  const fetchKeys = async (): Promise<JSONWebKeySet> => {
    fetches += 1
    if (isDown) throw outage
    return { keys: [key.publicJwk] }
  }
  const cache = createJwksCache({ fetchKeys, clock, log: () => {} })
  await cache.prepare()
  fetches = 0
  isDown = true
  return {
    cache,
    clock,
    outage,
    fetches: () => fetches,
    mend() {
      isDown = false
    },
  }
}

test('F32: unknown kids during an outage cost one fetch in 30 s, and known keys still verify', async () => {
  const { cache, clock, outage, fetches } = await openDuringOutage()
  for (let index = 0; index < 10; index += 1) {
    await expect(cache.verify(await sign(`unknown-${index}`), options)).rejects.toBe(outage)
    expect(await cache.verify(await sign('known'), options)).toEqual({})
    clock.advance(seconds(2.9))
  }
  expect(fetches()).toBe(1)
  clock.advance(seconds(1))
  await expect(cache.verify(await sign('unknown'), options)).rejects.toBe(outage)
  expect(fetches()).toBe(2)
})

test('an unknown kid is a matter of the outage until a fetch shows that no key has it', async () => {
  const { cache, clock, outage, mend } = await openDuringOutage()
  for (const kid of ['first', 'second']) {
    await expect(cache.verify(await sign(kid), options)).rejects.toBe(outage)
  }
  mend()
  clock.advance(seconds(31))
  for (const kid of ['first', 'second']) {
    await expect(cache.verify(await sign(kid), options)).rejects.toBeInstanceOf(errors.JWKSNoMatchingKey)
  }
})

import { expect, test } from 'vitest'
import { createKeyRing } from '../../src/app-token/key-ring.ts'
import { createTestClock, hours, minutes } from '../support/clock.ts'

const config = { alg: 'ES256', ttl: minutes(5), rotation: hours(24), audiences: ['a'], claims: [] } as const

async function createRing() {
  const clock = createTestClock()
  return {
    clock,
    ring: await createKeyRing({ config: { ...config, audiences: ['a'] }, clock, log: () => {} }),
  }
}
const kids = (ring: Awaited<ReturnType<typeof createRing>>['ring']) =>
  ring.publicKeys().keys.map(({ kid }) => kid)

test('the next key is published long before it signs (F64)', async () => {
  const { clock, ring } = await createRing()
  const published = kids(ring)
  expect(published).toHaveLength(2)
  expect(published).toContain(ring.signingKey().kid)
  clock.advance(hours(24))
  expect(published).toContain(ring.signingKey().kid)
  expect(ring.signingKey().kid).toBe(published[1])
})

test('a retired key is published until the last token it signed has expired (F64)', async () => {
  const { clock, ring } = await createRing()
  const first = ring.signingKey().kid
  clock.advance(hours(24))
  ring.signingKey()
  clock.advance(minutes(5))
  expect(kids(ring)).toContain(first)
  clock.advance(minutes(2))
  expect(kids(ring)).not.toContain(first)
})

test('rotates again and again, always with a next key at hand', async () => {
  const { clock, ring } = await createRing()
  const seen = new Set<string>()
  for (let day = 0; day < 5; day += 1) {
    seen.add(ring.signingKey().kid)
    await expect.poll(() => kids(ring).some((kid) => kid !== undefined && !seen.has(kid))).toBe(true)
    clock.advance(hours(24))
  }
  expect(seen.size).toBe(5)
})

test('publishes no private part, and one algorithm for each key (R80)', async () => {
  const { ring } = await createRing()
  for (const key of ring.publicKeys().keys) {
    expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    expect(key.alg).toBe('ES256')
  }
})

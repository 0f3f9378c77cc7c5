import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { exportJWK, generateKeyPair } from 'jose'
import { describe, expect, test } from 'vitest'
import { createKeyRing } from '../../../src/app-token/key-ring.ts'
import { createKeyRingSeal } from '../../../src/app-token/key-ring-seal.ts'
import { type Config, readConfig } from '../../../src/config/config.ts'
import { AppError } from '../../../src/errors.ts'
import { createMemoryStore } from '../../../src/session/memory/store.ts'
import { createTestClock, hours, minutes } from '../../support/clock.ts'
import { testSecret } from '../../support/portico.ts'

const config: Config['appToken'] = {
  alg: 'ES256',
  typ: 'at+jwt',
  scopeClaim: 'scope',
  ttl: minutes(5),
  rotation: hours(24),
  audiences: ['a'],
  groups: undefined,
  claims: [],
  keys: undefined,
}

/** A store that replicas share, and rings over it. */
function createShared() {
  const clock = createTestClock()
  const lifetimes = { idleTimeout: minutes(30), absoluteTimeout: hours(12) }
  const store = createMemoryStore({ clock, lifetimes })
  const secret = randomBytes(32)
  const createReplica = ({
    secrets = [secret],
    ...more
  }: Partial<Config['appToken']> & { secrets?: Buffer[] } = {}) =>
    createKeyRing({ config: { ...config, ...more }, store, secrets, clock, log: () => {} })
  return { clock, store, secret, seal: createKeyRingSeal([secret]), createReplica }
}

type Ring = ReturnType<typeof createKeyRing>
const kids = async (ring: Ring) => (await ring.publicKeys()).keys.map(({ kid }) => kid)
const signer = async (ring: Ring) => (await ring.signingKey()).kid

describe('rotation', () => {
  test('the next key is published a whole rotation before it signs (F64)', async () => {
    const { clock, createReplica } = createShared()
    const ring = createReplica()
    const published = await kids(ring)
    expect(published).toHaveLength(2)
    expect(await signer(ring)).toBe(published[0])
    clock.advance(hours(24) - 1)
    expect(await signer(ring)).toBe(published[0])
    clock.advance(1)
    expect(await signer(ring)).toBe(published[1])
  })

  test('a retired key is published until the last token it signed has expired (F64)', async () => {
    const { clock, createReplica } = createShared()
    const ring = createReplica()
    const first = await signer(ring)
    clock.advance(hours(24) + minutes(5))
    expect(await kids(ring)).toContain(first)
    clock.advance(minutes(2))
    expect(await kids(ring)).not.toContain(first)
  })

  test('goes on for ever, always with a next key at hand', async () => {
    const { clock, createReplica } = createShared()
    const ring = createReplica()
    const seen = new Set<string | undefined>()
    for (let day = 0; day < 5; day += 1) {
      seen.add(await signer(ring))
      await expect.poll(async () => (await kids(ring)).some((kid) => !seen.has(kid))).toBe(true)
      clock.advance(hours(24))
    }
    expect(seen.size).toBe(5)
  })

  test('after a sleep longer than a rotation, still signs with a key that was published', async () => {
    const { clock, createReplica } = createShared()
    const published = await kids(createReplica())
    clock.advance(hours(24 * 60))
    expect(published).toContain(await signer(createReplica()))
  })
})

describe('a rotation by the operator', () => {
  const states = async (ring: Ring) => (await ring.list()).map(({ state }) => state)

  test('lets the next key sign once all replicas know, at the same moment; they may be idle (F64)', async () => {
    const { clock, createReplica } = createShared()
    const [one, idle] = [createReplica(), createReplica()]
    const [first, next] = await kids(one)
    await kids(idle)
    clock.advance(minutes(5))
    const rotated = await one.rotate()
    expect(rotated.map(({ kid, state }) => [kid, state])).toEqual([
      [first, 'signing'],
      [next, 'next'],
    ])
    expect(rotated[1]?.signsFrom).toBe(clock.now() + minutes(2))
    clock.advance(minutes(2) - 1)
    expect([await signer(one), await signer(idle)]).toEqual([first, first])
    clock.advance(1)
    expect([await signer(one), await signer(idle)]).toEqual([next, next])
    expect(await states(one)).toEqual(['retired', 'signing'])
  })

  test('a replica that nobody asked for hours knows of it, before it signs or publishes (F64)', async () => {
    const { clock, createReplica } = createShared()
    const [busy, idle] = [createReplica(), createReplica()]
    await Promise.all([kids(busy), kids(idle)])
    for (let turn = 0; turn < 2; turn += 1) {
      clock.advance(minutes(30))
      await kids(busy)
      await busy.rotate()
      clock.advance(minutes(30))
      await kids(busy)
    }
    const [published, signs] = await Promise.all([kids(idle), signer(idle)])
    expect(signs).toBe(await signer(busy))
    expect(published).toContain(signs)
  })

  test('is refused until every cache has the next key, and says when; then there is another one (F64)', async () => {
    const { clock, createReplica } = createShared()
    const ring = createReplica()
    await kids(ring)
    clock.advance(minutes(4))
    await expect(ring.rotate()).rejects.toMatchObject({ code: 'conflict', retryAfter: 60 })
    expect(await states(ring)).toEqual(['signing', 'next'])
    clock.advance(minutes(1))
    await ring.rotate()
    clock.advance(minutes(2))
    await kids(ring)
    await expect.poll(() => states(ring)).toEqual(['retired', 'signing', 'next'])
    await expect(ring.rotate()).rejects.toMatchObject({ code: 'conflict', retryAfter: 300 })
    clock.advance(minutes(5))
    expect((await ring.rotate()).at(-1)?.signsFrom).toBe(clock.now() + minutes(2))
  })

  test('counts from when the next key was really published, also after a time without replicas (F64)', async () => {
    const { clock, createReplica } = createShared()
    await kids(createReplica())
    clock.advance(hours(26))
    const started = createReplica()
    expect(await states(started)).toEqual(['signing', 'next'])
    await expect(started.rotate()).rejects.toMatchObject({ code: 'conflict', retryAfter: 300 })
  })

  test('once more before the key has changed: changes nothing', async () => {
    const { clock, createReplica } = createShared()
    const [one, other] = [createReplica(), createReplica()]
    await kids(one)
    clock.advance(minutes(5))
    const rotated = await one.rotate()
    clock.advance(minutes(1))
    expect(await other.rotate()).toEqual(rotated)
  })

  test('a key that is about to sign anyway is not put off', async () => {
    const { clock, createReplica } = createShared()
    const ring = createReplica()
    await kids(ring)
    clock.advance(hours(24) - minutes(1))
    expect((await ring.rotate())[1]?.signsFrom).toBe(clock.now() + minutes(1))
  })

  test('keys that an earlier version made: counts from when the present one began to sign', async () => {
    const { clock, store, createReplica, seal } = createShared()
    await kids(createReplica())
    const { text = '', version = 0 } = (await store.readVersioned('signing-keys')) ?? {}
    const stored = seal.open(text).map(({ publishedFrom: _, ...key }) => key)
    await store.writeVersioned('signing-keys', version, seal.close(stored))
    const ring = createReplica()
    clock.advance(minutes(5) - 1)
    await expect(ring.rotate()).rejects.toMatchObject({ code: 'conflict' })
    clock.advance(1)
    expect(await ring.rotate()).toHaveLength(2)
  })

  test('the store does not answer: store_unavailable, and nothing has changed', async () => {
    const { clock, store, createReplica } = createShared()
    const ring = createReplica()
    const before = await ring.list()
    clock.advance(minutes(5))
    store.writeVersioned = () => Promise.reject(new AppError('store_unavailable', 'down'))
    await expect(ring.rotate()).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(await ring.list()).toEqual(before)
  })
})

describe('replicas', () => {
  test('that start at once agree on one ring', async () => {
    const { createReplica } = createShared()
    const rings = Array.from({ length: 5 }, () => createReplica())
    const all = await Promise.all(rings.map(kids))
    expect(new Set(all.map(String)).size).toBe(1)
    expect(new Set(await Promise.all(rings.map(signer))).size).toBe(1)
  })

  test('switch to the next key at the same moment, without the store', async () => {
    const { clock, store, createReplica } = createShared()
    const rings = [createReplica(), createReplica()]
    const published = await Promise.all(rings.map(kids))
    store.readVersioned = () => Promise.reject(new AppError('store_unavailable', 'down'))
    clock.advance(hours(24))
    expect(await Promise.all(rings.map(signer))).toEqual(published.map(([, next]) => next))
  })

  test('ask a store that does not answer once a second at most, and all who wait for it wait for one answer', async () => {
    const { clock, store, createReplica } = createShared()
    const ring = createReplica()
    const first = await signer(ring)
    let asked = 0
    store.readVersioned = () => {
      asked += 1
      return Promise.reject(new AppError('store_unavailable', 'down'))
    }
    clock.advance(minutes(3))
    expect(await Promise.all([signer(ring), signer(ring), signer(ring)])).toEqual([first, first, first])
    for (let count = 0; count < 5; count += 1) await signer(ring)
    expect(asked).toBe(1)
    clock.advance(1_001)
    await signer(ring)
    expect(asked).toBe(2)
  })

  test('learn of a key that another one made before it signs', async () => {
    const { clock, createReplica } = createShared()
    const [one, other] = [createReplica(), createReplica()]
    await Promise.all([kids(one), kids(other)])
    clock.advance(hours(24) + minutes(2))
    await expect.poll(async () => (await kids(one)).length).toBe(3)
    clock.advance(minutes(2))
    await expect.poll(async () => (await kids(other)).length).toBe(3)
    expect(await kids(other)).toEqual(await kids(one))
  })

  test('a store that lost the ring gets it back: tokens signed before stay good (F46, F64)', async () => {
    const { clock, store, createReplica } = createShared()
    const ring = createReplica()
    const before = await kids(ring)
    store.readVersioned = async () => undefined
    let written: string | undefined
    store.writeVersioned = async (_name, _version, text) => {
      written = text
      return true
    }
    clock.advance(minutes(2))
    await kids(ring)
    await expect.poll(() => written).toBeDefined()
    store.readVersioned = async () => ({ text: written ?? '', version: 1 })
    expect(await kids(createReplica())).toEqual(before)
  })

  test('a ring that was lost and made anew by a replica that started: both sign, all tokens verify (F46, F64)', async () => {
    const { clock, store, createReplica } = createShared()
    const old = createReplica()
    const signedBefore = await signer(old)
    const empty = createMemoryStore({ clock, lifetimes: { idleTimeout: 1, absoluteTimeout: 1 } })
    Object.assign(store, { readVersioned: empty.readVersioned, writeVersioned: empty.writeVersioned })
    const started = createReplica()
    const signsNow = await signer(started)
    expect(signsNow).not.toBe(signedBefore)
    clock.advance(minutes(2))
    await expect.poll(() => kids(old)).toContain(signsNow)
    expect(await signer(old)).toBe(signsNow)
    expect(await kids(old)).toContain(signedBefore)
    clock.advance(minutes(2))
    await expect.poll(() => kids(started)).toContain(signedBefore)
    clock.advance(minutes(5))
    expect(await kids(started)).not.toContain(signedBefore)
  })

  test('a ring that can never be written: store_unavailable, not an endless loop', async () => {
    const { store, createReplica } = createShared()
    store.writeVersioned = async () => false
    await expect(createReplica().signingKey()).rejects.toMatchObject({ code: 'store_unavailable' })
  })

  test('a ring that was never read and cannot be: store_unavailable, and it heals', async () => {
    const { store, createReplica } = createShared()
    const { readVersioned } = store
    store.readVersioned = () => Promise.reject(new AppError('store_unavailable', 'down'))
    const ring = createReplica()
    await expect(ring.signingKey()).rejects.toMatchObject({ code: 'store_unavailable' })
    store.readVersioned = readVersioned
    expect(await signer(ring)).toBeDefined()
  })
})

describe('another algorithm (APP_TOKEN_ALG)', () => {
  test('is published before it signs, and the old keys verify on', async () => {
    const { clock, createReplica } = createShared()
    const old = createReplica()
    const first = await signer(old)
    const started = createReplica({ alg: 'EdDSA' })
    expect(await signer(started)).toBe(first)
    const keys = (await started.publicKeys()).keys
    expect(keys.map(({ alg }) => alg)).toEqual(['ES256', 'EdDSA'])
    clock.advance(minutes(10))
    expect(await signer(started)).toBe(keys[1]?.kid)
    expect(await kids(started)).toContain(first)
  })

  test('replicas that still run with the old one go along, and do not change it back', async () => {
    const { clock, createReplica } = createShared()
    const old = createReplica()
    await signer(old)
    const started = createReplica({ alg: 'EdDSA' })
    await signer(started)
    for (let turn = 0; turn < 3; turn += 1) {
      clock.advance(hours(12))
      await expect.poll(async () => String(await kids(old)) === String(await kids(started))).toBe(true)
    }
    expect(await kids(old)).toEqual(await kids(started))
    expect((await old.signingKey()).alg).toBe('EdDSA')
    expect((await old.publicKeys()).keys.every(({ alg }) => alg === 'EdDSA')).toBe(true)
  })
})

describe('the store', () => {
  test('holds no private key in the clear', async () => {
    const { store, createReplica } = createShared()
    await signer(createReplica())
    const { text = '' } = (await store.readVersioned('signing-keys')) ?? {}
    expect(text.length).toBeGreaterThan(100)
    expect(text).not.toMatch(/kty|"d"/)
    expect(Buffer.from(text, 'base64url').toString('latin1')).not.toMatch(/kty|"d"/)
  })

  test('a rotation of the master secrets in two phases keeps the keys; then the old secret may go', async () => {
    const { secret, createReplica } = createShared()
    const fresh = randomBytes(32)
    const before = await kids(createReplica())
    expect(await kids(createReplica({ secrets: [secret, fresh] }))).toEqual(before)
    expect(await kids(createReplica({ secrets: [fresh, secret] }))).toEqual(before)
    expect(await kids(createReplica({ secrets: [fresh] }))).toEqual(before)
  })

  test('a new secret that is taken back leaves the keys readable for those who never knew it', async () => {
    const { clock, secret, createReplica } = createShared()
    const before = await kids(createReplica())
    const steady = createReplica()
    await kids(steady)
    expect(await kids(createReplica({ secrets: [randomBytes(32), secret] }))).toEqual(before)
    clock.advance(minutes(2))
    expect(await kids(steady)).toEqual(before)
    expect(await kids(createReplica())).toEqual(before)
  })

  test('a secret that was dropped opens nothing any more', async () => {
    const { store, secret, createReplica } = createShared()
    const fresh = randomBytes(32)
    await kids(createReplica({ secrets: [fresh, secret] }))
    expect((await store.readVersioned('signing-keys'))?.text.split(',')).toHaveLength(2)
    await kids(createReplica({ secrets: [fresh] }))
    await expect(createReplica().signingKey()).rejects.toMatchObject({ code: 'store_unavailable' })
  })

  test('a copy for a secret that only a replica of before knew goes once nothing has changed for a while', async () => {
    const { clock, store, secret, createReplica } = createShared()
    const fresh = randomBytes(32)
    const old = createReplica({ secrets: [fresh, secret] })
    await kids(old)
    const started = createReplica({ secrets: [fresh] })
    await kids(started)
    const copies = async () => (await store.readVersioned('signing-keys'))?.text.split(',').length
    expect(await copies()).toBe(1)
    clock.advance(minutes(2))
    await kids(old)
    await expect.poll(copies).toBe(2)
    // The old replica is gone now.
    const copiesAfterAnotherMinute = async () => {
      clock.advance(minutes(1) + 1)
      await kids(started)
      return copies()
    }
    await expect.poll(copiesAfterAnotherMinute).toBe(1)
  })

  test('keys that a stranger wrapped are refused, and left as they are', async () => {
    const { store, createReplica } = createShared()
    const good = createReplica()
    await signer(good)
    const before = await store.readVersioned('signing-keys')
    const misconfigured = createReplica({ secrets: [randomBytes(32)] })
    await expect(misconfigured.signingKey()).rejects.toMatchObject({
      code: 'store_unavailable',
      reason: expect.stringContaining('BFF_SECRETS'),
    })
    expect(await store.readVersioned('signing-keys')).toEqual(before)
  })
})

test.each(['ES256', 'EdDSA', 'RS256'] as const)(
  '%s: publishes no private part, and one algorithm for each key (R80)',
  async (alg) => {
    const ring = createShared().createReplica({ alg })
    const members = { ES256: ['crv', 'x', 'y'], EdDSA: ['crv', 'x'], RS256: ['e', 'n'] }[alg]
    for (const key of (await ring.publicKeys()).keys) {
      expect(Object.keys(key).sort()).toEqual(['alg', 'kid', 'kty', 'use', ...members].sort())
      expect(key.alg).toBe(alg)
    }
  },
)

describe("keys of the operator's own (APP_TOKEN_KEYS)", () => {
  const base = {
    PUBLIC_URL: 'https://app.example.com',
    BFF_SECRETS: testSecret(),
    OIDC_ISSUER: 'https://idp.example',
    OIDC_CLIENT_ID: 'c',
  }
  const read = (keys: unknown) =>
    readConfig({ ...base, APP_TOKEN_KEYS: JSON.stringify({ keys }) }).appToken.keys
  const makeKey = async (alg: string, more = {}) => {
    const { privateKey } = await generateKeyPair(alg, { extractable: true })
    return { ...(await exportJWK(privateKey)), ...more }
  }

  test('the first signs, all are published, nothing is written to the store', async () => {
    const { store, createReplica } = createShared()
    const keys = read([await makeKey('RS256', { kid: 'mine' }), await makeKey('ES256')])
    const ring = createReplica({ keys })
    expect(await ring.signingKey()).toMatchObject({ kid: 'mine', alg: 'RS256' })
    expect((await ring.publicKeys()).keys.map(({ alg }) => alg)).toEqual(['RS256', 'ES256'])
    expect(JSON.stringify(await ring.publicKeys())).not.toContain(keys?.[0]?.d)
    expect(await store.readVersioned('signing-keys')).toBeUndefined()
    expect(await ring.list()).toMatchObject([{ kid: 'mine', state: 'signing' }, { state: 'published' }])
    await expect(ring.rotate()).rejects.toMatchObject({ code: 'unprocessable' })
  })

  test.each<[string, unknown]>([
    ['no JSON', undefined],
    ['no keys', []],
    ['a public key', [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }]],
    ['a secret', [{ kty: 'oct', k: 'x' }]],
    ['a broken key', [{ kty: 'EC', crv: 'P-256', d: '!', x: 'x', y: 'y' }]],
  ])('%s: a configuration error', (_name, keys) => {
    expect(() => read(keys)).toThrow('APP_TOKEN_KEYS')
  })

  test('a key too weak, of another curve, or for another algorithm: a configuration error', async () => {
    const weak = await makeKey('ES384')
    expect(() => read([weak])).toThrow('APP_TOKEN_KEYS')
    const other = await makeKey('ES256', { alg: 'ES384' })
    expect(() => read([other])).toThrow('APP_TOKEN_KEYS')
    const encrypts = await makeKey('ES256', { use: 'enc' })
    expect(() => read([encrypts])).toThrow('APP_TOKEN_KEYS')
    const short = {
      ...generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ format: 'jwk' }),
    }
    expect(() => read([short])).toThrow('APP_TOKEN_KEYS')
  })

  test('two keys of one kid, or a kid that is empty: a configuration error', async () => {
    const [one, other] = [await makeKey('ES256', { kid: 'k' }), await makeKey('ES256', { kid: 'k' })]
    expect(() => read([one, other])).toThrow('two keys with the same kid')
    expect(() => read([{ ...one, kid: '' }])).toThrow('APP_TOKEN_KEYS')
  })
})

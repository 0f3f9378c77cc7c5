import fc from 'fast-check'
import { expect, test } from 'vitest'
import { deriveKeys } from '../../../src/crypto/derive-key.ts'
import { createSealer } from '../../../src/crypto/sealer.ts'
import { testSecret } from '../../support/portico.ts'

const secret = () => Buffer.from(testSecret(), 'base64url')
const [first, second] = [secret(), secret()]
const sealer = createSealer([first], 'login-transaction')

test('opens what it sealed, for any text', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      (text) => sealer.open(sealer.seal(text, 'c'), 'c') === text.toWellFormed(),
    ),
  )
})

test('never seals the same text the same way twice', () => {
  expect(sealer.seal('text', 'c')).not.toBe(sealer.seal('text', 'c'))
})

test('does not open for another context, another purpose or another secret', () => {
  const sealed = sealer.seal('text', 'c')
  expect(sealer.open(sealed, 'd')).toBeUndefined()
  expect(createSealer([first], 'login-outcome').open(sealed, 'c')).toBeUndefined()
  expect(createSealer([second], 'login-transaction').open(sealed, 'c')).toBeUndefined()
})

test('does not open what was changed or cut anywhere', () => {
  const sealed = Buffer.from(sealer.seal('text', 'c'), 'base64url')
  for (let index = 0; index < sealed.length; index += 1) {
    const changed = Buffer.from(sealed)
    changed[index] = (changed[index] ?? 0) ^ 1
    expect(sealer.open(changed.toString('base64url'), 'c')).toBeUndefined()
    expect(sealer.open(sealed.subarray(0, index).toString('base64url'), 'c')).toBeUndefined()
  }
})

test('rotation: the newest secret seals, older ones still open', () => {
  const before = sealer.seal('text', 'c')
  const rotated = createSealer([second, first], 'login-transaction')
  expect(rotated.open(before, 'c')).toBe('text')
  expect(sealer.open(rotated.seal('text', 'c'), 'c')).toBeUndefined()
})

test('each purpose has a key of its own', () => {
  const keys = (['session-cookie', 'login-transaction', 'login-outcome'] as const).map(
    (purpose) => deriveKeys([first], purpose)[0]?.toString('hex') ?? '',
  )
  expect(new Set(keys).size).toBe(3)
  expect(keys.every((key) => key.length === 64)).toBe(true)
})

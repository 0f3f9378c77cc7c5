import { afterEach, expect, test, vi } from 'vitest'
import { stepUp } from '../../client/tokens/step-up.ts'

afterEach(() => void vi.unstubAllGlobals())

/** An app token, as far as the client reads it. */
const tokenOf = (iss: string) => `e30.${Buffer.from(JSON.stringify({ iss })).toString('base64url')}.`

test('a demand is followed once in a while, at each Portico of the origin', async () => {
  const items = new Map<string, string>()
  vi.stubGlobal('sessionStorage', {
    getItem: (name: string) => items.get(name) ?? null,
    setItem: (name: string, value: string) => void items.set(name, value),
  })
  const begun: string[] = []
  const ask = (iss: string, challenge = 'Bearer max_age="60"') =>
    stepUp(challenge, async () => void begun.push(iss), tokenOf(iss))
  for (const iss of ['https://example.com', 'https://example.com/shop']) {
    await ask(iss)
    await ask(iss)
  }
  expect(begun).toEqual(['https://example.com', 'https://example.com/shop'])
  await ask('https://example.com', 'Bearer max_age="30"')
  expect(begun).toHaveLength(3)
})

import { expect, test } from 'vitest'
import { toRefreshTokens } from '../../../src/session/session.ts'
import { session } from '../../support/session-fixture.ts'

const tokens = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    providerName: 'default',
    issuer: 'https://idp.example.com',
    refreshToken: `token-${index}`,
  }))
const { providerName, issuer } = session.identity
const own = { providerName, issuer, refreshToken: session.tokens.refreshToken }

test('a refresh token that was passed on in several ways counts once', () => {
  const inherited = Array.from({ length: 5 }, () => tokens(6)).flat()
  const names = toRefreshTokens({ ...session, inherited }).map(({ refreshToken }) => refreshToken)
  expect(names).toEqual([...tokens(6).map(({ refreshToken }) => refreshToken), own.refreshToken])
})

test('the same text at two providers is two tokens', () => {
  const inherited = [{ ...own, providerName: 'other', refreshToken: String(own.refreshToken) }]
  expect(toRefreshTokens({ ...session, inherited })).toHaveLength(2)
})

test('of more than twenty, the oldest are dropped', () => {
  const names = toRefreshTokens({ ...session, inherited: tokens(25) }).map(({ refreshToken }) => refreshToken)
  expect(names).toHaveLength(20)
  expect(names.at(-1)).toBe(own.refreshToken)
  expect(names[0]).toBe('token-6')
})

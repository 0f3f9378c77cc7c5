import { describe, expect, test } from 'vitest'
import type { AccessRule } from '../../../src/config/proxy/proxy-route.ts'
import { assertAccess } from '../../../src/proxy/access.ts'
import type { Session } from '../../../src/session/session.ts'
import { session as stored } from '../../support/session-fixture.ts'

/** A session with these scopes and this claim `groups`. */
const withRights = (scope: string[], groups: unknown = undefined): Session => ({
  ...stored,
  identity: { ...stored.identity, claims: { groups } },
  tokens: { ...stored.tokens, scope },
  handle: 'h1',
  createdAt: 1,
  lastSeenAt: 1,
  idleExpiresAt: 2,
  absoluteExpiresAt: 2,
  tokensVersion: 1,
})

const refusal = (session: Session, rule: Partial<AccessRule>) => {
  try {
    assertAccess(session, { scopes: [], groups: [], providers: [], ...rule })
    return undefined
  } catch (error) {
    const { code, detail } = error as { code: string; detail: string }
    return { code, detail }
  }
}

test('of the named providers, users of another one are refused, whatever groups they are in', () => {
  const session = withRights(['orders'], ['Admins'])
  const rule = { scopes: ['orders'], groups: ['Admins'] }
  expect(refusal(session, { ...rule, providers: ['okta', 'default'] })).toBeUndefined()
  expect(refusal(session, { ...rule, providers: ['okta'] })).toEqual({
    code: 'insufficient_authorization',
    detail: 'Only users who signed in at okta may do this.',
  })
})

describe('scopes', () => {
  test('all are needed, and the missing ones are named', () => {
    const session = withRights(['openid', 'orders:read'])
    expect(refusal(session, { scopes: ['openid', 'orders:read'] })).toBeUndefined()
    expect(refusal(session, { scopes: ['openid', 'orders:write', 'admin'] })).toEqual({
      code: 'insufficient_scope',
      detail: expect.stringContaining('scope orders:write admin,') as string,
    })
  })

  test('are compared whole: a longer or shorter name is another scope', () => {
    expect(refusal(withRights(['orders:read']), { scopes: ['orders'] })?.code).toBe('insufficient_scope')
    expect(refusal(withRights(['orders']), { scopes: ['orders:read'] })?.code).toBe('insufficient_scope')
  })
})

describe('groups', () => {
  test('one of them is enough', () => {
    expect(refusal(withRights([], ['Navy', 'Staff']), { groups: ['Admins', 'Staff'] })).toBeUndefined()
  })

  test('a provider may send a single group as a text, which is compared whole', () => {
    expect(refusal(withRights([], 'Staff'), { groups: ['Staff'] })).toBeUndefined()
    expect(refusal(withRights([], 'Staff and Admins'), { groups: ['Admins'] })?.code).toBe(
      'insufficient_group',
    )
  })

  test.each([[undefined], [null], [[]], [{ Admins: true }], [['admins']], [[['Admins']]]])(
    'a user with groups %j is in none that is needed',
    (groups) => {
      expect(refusal(withRights([], groups), { groups: ['Admins'] })).toEqual({
        code: 'insufficient_group',
        detail: 'Only members of the group Admins may do this.',
      })
    },
  )

  test('no group is needed where none is named', () => {
    expect(refusal(withRights([]), {})).toBeUndefined()
  })
})

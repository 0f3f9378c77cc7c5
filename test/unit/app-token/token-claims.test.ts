import { describe, expect, test } from 'vitest'
import { createTokenClaimSelector, maxTokenClaims } from '../../../src/app-token/token-claims.ts'
import { maxSessionClaims, selectSessionClaims } from '../../../src/provider/identity/user-claims.ts'

interface Given {
  claims: Record<string, unknown>
  /** What the provider may tell. */
  names?: string[]
  /** APP_TOKEN_GROUPS. */
  groups?: string[]
}

function pick({ claims, names = ['name', 'email', 'groups'], groups }: Given) {
  const providers = [
    { name: 'okta', claimNames: names },
    { name: 'toki', claimNames: [] },
  ]
  return createTokenClaimSelector({ appToken: { groups }, providers })({ providerName: 'okta', claims })
}

const namesOf = (count: number, toName: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => toName(index))
const sizeOf = (claims: object) => Buffer.byteLength(JSON.stringify(claims))

describe('the claims of an app token fit into 4,096 bytes of JSON together', () => {
  /** Claims of exactly so many bytes, all but `name` in one group. */
  function ofSize(bytes: number, letter: string) {
    const empty = { name: 'Ada', groups: [''] }
    const room = bytes - sizeOf(empty)
    const size = Buffer.byteLength(letter)
    const filler = letter.repeat(Math.floor(room / size)) + '.'.repeat(room % size)
    const claims = { ...empty, groups: [filler] }
    expect(sizeOf(claims)).toBe(bytes)
    return claims
  }

  test.each(['a', 'ö', '管', '👩'])('to the byte, in UTF-8: %s', (letter) => {
    const full = ofSize(maxTokenClaims, letter)
    expect(pick({ claims: full })).toEqual({ claims: full, leftOut: [] })
    const over = ofSize(maxTokenClaims + 1, letter)
    expect(pick({ claims: over })).toEqual({ claims: { name: 'Ada' }, leftOut: ['groups'] })
  })

  test.each([
    ['100 names of 42 bytes', namesOf(100, (index) => `team-${index}`.padEnd(42, 'x')), true],
    ['100 names of 13 letters that are 39 bytes', namesOf(100, () => '管'.repeat(13)), true],
    ['150 names of 40 letters', namesOf(150, (index) => `team-${index}`.padEnd(40, 'x')), true],
    ['2,000 names', namesOf(2_000, (index) => `team-${index}`), true],
    ['150 names of 20 letters', namesOf(150, (index) => `team-${index}`.padEnd(20, 'x')), false],
    ['a hundred Entra ids', namesOf(100, () => '00000000-0000-0000-0000-000000000000'), false],
    ['letters that JSON escapes', ['"'.repeat(2_100)], true],
    ['no list but a long text', 'x'.repeat(5_000), true],
    ['no list but an object', { of: 'x'.repeat(5_000) }, true],
  ])('groups are %s', (_what, groups, isLeftOut) => {
    const { claims, leftOut } = pick({ claims: { name: 'Ada', groups } })
    expect(leftOut).toEqual(isLeftOut ? ['groups'] : [])
    expect(claims).toEqual(isLeftOut ? { name: 'Ada' } : { name: 'Ada', groups })
  })

  test('they are taken in the order of the configuration, and a smaller one behind still fits', () => {
    const claims = { c: 'x'.repeat(3_000), b: 'x'.repeat(3_000), a: 'x'.repeat(500) }
    for (const [names, told, leftOut] of [
      [['a', 'b', 'c'], ['a', 'b'], ['c']],
      [['c', 'b', 'a'], ['c', 'a'], ['b']],
      [['b', 'c', 'a'], ['b', 'a'], ['c']],
    ] as const) {
      const picked = pick({ claims, names: [...names] })
      expect([Object.keys(picked.claims), picked.leftOut]).toEqual([told, leftOut])
    }
  })

  test('what the provider may not tell takes no room, and is not named', () => {
    const claims = { department: 'x'.repeat(5_000), roles: 'x'.repeat(4_000), groups: ['Navy'] }
    expect(pick({ claims })).toEqual({ claims: { groups: ['Navy'] }, leftOut: [] })
  })

  test('what every object has is no claim, and null says nothing', () => {
    const names = ['constructor', 'toString', 'hasOwnProperty', 'name']
    expect(pick({ claims: { name: null }, names })).toEqual({ claims: {}, leftOut: [] })
  })

  test.each(['toki', 'gone', 'constructor'])('nothing of %s, which may tell nothing', (providerName) => {
    const providers = [{ name: 'toki', claimNames: [] }]
    const pickOf = createTokenClaimSelector({ appToken: { groups: undefined }, providers })
    expect(pickOf({ providerName, claims: { groups: ['Navy'] } })).toEqual({ claims: {}, leftOut: [] })
  })
})

describe('APP_TOKEN_GROUPS', () => {
  const many = namesOf(2_000, (index) => `team-${index}`.padEnd(40, 'x'))

  test.each<[string, string[], unknown, unknown]>([
    ['names', ['Admins', 'Auditors'], [...many, 'Auditors', 'Admins'], ['Auditors', 'Admins']],
    ['a pattern', ['portal-*'], ['portal-a', ...many, 'portal-b'], ['portal-a', 'portal-b']],
    ['names of another case', ['admins'], ['Admins', ...many], []],
    ['what fits no one', ['Admins'], many, []],
    ['all', ['*'], ['Admins', 'Everyone'], ['Admins', 'Everyone']],
    [
      'a list with other things in it',
      ['*'],
      ['Admins', 7, null, ['Admins'], { name: 'Admins' }],
      ['Admins'],
    ],
    ['a text that is one of them', ['Admins'], 'Admins', 'Admins'],
    ['a text that is none of them', ['Admins'], 'Everyone', undefined],
    ['a text of names', ['Admins'], 'Admins,Everyone', undefined],
    ['an object', ['*'], { Admins: true }, undefined],
    ['a number', ['*'], 7, undefined],
    ['true', ['*'], true, undefined],
    ['null', ['*'], null, undefined],
    ['nothing', ['*'], undefined, undefined],
  ])('keeps of the groups only those it allows: %s', (_what, groups, told, kept) => {
    const { claims, leftOut } = pick({ groups, claims: { name: 'Ada', groups: told } })
    expect(claims).toEqual(kept === undefined ? { name: 'Ada' } : { name: 'Ada', groups: kept })
    expect(leftOut).toEqual([])
  })

  test('does not make those fit that are too many all the same', () => {
    expect(pick({ groups: ['team-*'], claims: { groups: many } })).toEqual({
      claims: {},
      leftOut: ['groups'],
    })
  })

  test('is about `groups` alone, and lets no provider tell them that may not', () => {
    const claims = { roles: ['root'], groups: ['Admins'] }
    expect(pick({ groups: ['Admins'], claims, names: ['roles'] }).claims).toEqual({ roles: ['root'] })
  })

  test('the session is not changed', () => {
    const claims = Object.freeze({ groups: Object.freeze(['Admins', 'Everyone']) })
    expect(pick({ groups: ['Admins'], claims }).claims).toEqual({ groups: ['Admins'] })
    expect(claims.groups).toEqual(['Admins', 'Everyone'])
  })
})

describe('the claims of a session', () => {
  test.each([
    ['2,000 names of 40 letters', namesOf(2_000, (index) => `team-${index}`.padEnd(40, 'x'))],
    ['2,000 distinguished names', namesOf(2_000, (index) => `CN=Team ${index},OU=Groups`.padEnd(120, ','))],
    ['150 names', namesOf(150, (index) => `team-${index}`)],
  ])('have room for %s', (_what, groups) => {
    const told = { name: 'Ada', groups }
    expect(selectSessionClaims(['name', 'groups'], told, {})).toEqual({ claims: told, dropped: [] })
  })

  test('end at 256 kB, by whole claims', () => {
    const groups = ['x'.repeat(maxSessionClaims - sizeOf({ groups: [''] }))]
    expect(selectSessionClaims(['groups'], { groups }, {})).toEqual({ claims: { groups }, dropped: [] })
    const told = { name: 'Ada', groups, email: 'ada@example.com' }
    expect(selectSessionClaims(['name', 'groups', 'email'], told, {})).toEqual({
      claims: { name: 'Ada', email: 'ada@example.com' },
      dropped: ['groups'],
    })
  })

  test('come each from the first source that has it', () => {
    const first = { name: 'Ada', email: null, groups: undefined }
    const second = { name: 'Grace', email: 'ada@example.com', groups: ['Navy'] }
    expect(selectSessionClaims(['name', 'email', 'groups', 'constructor'], first, second).claims).toEqual({
      name: 'Ada',
      email: 'ada@example.com',
      groups: ['Navy'],
    })
  })
})

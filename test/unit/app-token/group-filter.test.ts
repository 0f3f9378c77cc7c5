import { describe, expect, test } from 'vitest'
import { createGroupFilter } from '../../../src/app-token/group-filter.ts'

const allows = (patterns: string, group: unknown) => createGroupFilter(patterns.split(','))(group)

describe('a name is matched as a whole, by case', () => {
  test.each([
    ['Admins', 'Admins', true],
    ['Admins', 'admins', false],
    ['Admins', 'Admins2', false],
    ['Admins', 'The Admins', false],
    ['Admins', '', false],
    ['Admins,Auditors', 'Auditors', true],
    ['*', 'anything', true],
    ['*', '', true],
    ['**', 'anything', true],
    ['portal-*', 'portal-admins', true],
    ['portal-*', 'portal-', true],
    ['portal-*', 'portal', false],
    ['portal-*', 'my-portal-admins', false],
    ['portal-*', 'Portal-admins', false],
    ['*-admins', 'portal-admins', true],
    ['*-admins', 'portal-admins-emeriti', false],
    ['*portal*', 'my-portal-admins', true],
    ['*portal*', 'my-port-al', false],
    ['a*b*c', 'a1b2c', true],
    ['a*b*c', 'abc', true],
    ['a*b*c', 'acb', false],
    ['a*b*c', 'abcb', false],
    // A piece that comes again, and pieces that would have to share letters.
    ['a*b*b', 'a-b-b', true],
    ['a*b*b', 'a-b', false],
    ['ab*ba', 'aba', false],
    ['ab*ba', 'abba', true],
    ['*aa*aa*', 'aaa', false],
    ['*ab*', 'aab', true],
    ['*a', 'ba-a', true],
    // Nothing but `*` means anything but itself.
    ['portal.*', 'portal-admins', false],
    ['portal.*', 'portal.admins', true],
    ['port?l', 'portal', false],
    ['[a-z]*', 'admins', false],
    ['(a+)+$', 'aaaa', false],
    ['CN=Admins*DC=com', 'CN=Admins,OU=Groups,DC=example,DC=com', true],
    ['Größe*', 'Größenordner', true],
    ['管理*', '管理者', true],
    ['*👩*', 'team 👩‍💻', true],
  ])('%s, %s: %s', (patterns, group, expected) => {
    expect(allows(patterns, group)).toBe(expected)
  })

  test.each([undefined, null, 7, true, {}, [], ['Admins'], { name: 'Admins' }])(
    'what is no text is no name: %o',
    (group) => {
      expect(allows('*', group)).toBe(false)
    },
  )
})

/** All texts of these letters up to a length. */
function textsOf(letters: string[], length: number): string[] {
  if (length === 0) return ['']
  const shorter = textsOf(letters, length - 1)
  return [...new Set([...shorter, ...shorter.flatMap((text) => letters.map((letter) => text + letter))])]
}

/** What a pattern means, tried out in every way. */
function means(pattern: string, name: string): boolean {
  if (pattern === '') return name === ''
  if (pattern.startsWith('*')) {
    return means(pattern.slice(1), name) || (name !== '' && means(pattern, name.slice(1)))
  }
  return name !== '' && pattern[0] === name[0] && means(pattern.slice(1), name.slice(1))
}

test('every pattern of five and every name of six letters of two: as if all ways had been tried', () => {
  const names = textsOf(['a', 'b'], 6)
  const patterns = textsOf(['a', 'b', '*'], 5)
  expect([patterns.length, names.length]).toEqual([364, 127])
  const wrong = patterns.flatMap((pattern) => {
    const isAllowed = createGroupFilter([pattern])
    return names.filter((name) => isAllowed(name) !== means(pattern, name)).map((name) => [pattern, name])
  })
  expect(wrong).toEqual([])
})

test.each([
  ['a*a*a*a*a*a*a*a*b', 'a'.repeat(250_000)],
  [`${'*a'.repeat(1_000)}*b`, 'a'.repeat(250_000)],
  [`${'*ab'.repeat(1_000)}*c*`, 'ab'.repeat(125_000)],
  [`${'a*'.repeat(1_000)}b`, `${'a'.repeat(250_000)}`],
  ['*'.repeat(10_000), 'a'.repeat(250_000)],
])('%.20s… and a name of a quarter of a million letters: no way is tried twice', (pattern, name) => {
  expect(createGroupFilter([pattern])(name)).toBe(/^\*+$/.test(pattern))
})

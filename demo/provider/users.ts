/** A user of the embedded provider. */
export interface DemoUser {
  /** Okta's user id, the ID token's `sub`. */
  id: string
  login: string
  password: string
  name: string
  groups: string[]
  about: string
}

export const users: readonly DemoUser[] = [
  {
    id: '00u1ada0000000000001',
    login: 'ada@example.com',
    password: 'analytical-engine',
    name: 'Ada Lovelace',
    groups: ['Everyone', 'Admins'],
    about: 'in the group Admins',
  },
  {
    id: '00u2alan000000000002',
    login: 'alan@example.com',
    password: 'universal-machine',
    name: 'Alan Turing',
    groups: ['Everyone'],
    about: 'an ordinary user',
  },
]

export const findUser = (id: string): DemoUser | undefined => users.find((user) => user.id === id)

/**
 * Returns all claims of a user: those of OpenID Connect Core 5.1, and Okta's `groups`. The provider filters
 * them by the scope that was requested.
 */
export function toClaims({ id, login, name, groups }: DemoUser) {
  const [givenName, familyName] = name.split(' ')
  return {
    sub: id,
    name,
    given_name: givenName,
    family_name: familyName,
    preferred_username: login,
    email: login,
    email_verified: true,
    locale: 'en-US',
    groups,
  }
}

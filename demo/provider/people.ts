/** Someone who can sign in at the embedded provider. */
export interface Person {
  /** Okta's user id, the ID token's `sub`. */
  id: string
  login: string
  password: string
  name: string
  groups: string[]
  about: string
}

export const people: readonly Person[] = [
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

export const findPerson = (id: string): Person | undefined => people.find((person) => person.id === id)

/** The claims of OpenID Connect Core 5.1 and Okta's `groups`, whatever was asked for; the provider filters by scope. */
export function toClaims({ id, login, name, groups }: Person) {
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

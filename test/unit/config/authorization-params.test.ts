import { describe, expect, test } from 'vitest'
import { readConfig } from '../../../src/config/config.ts'
import { problemsOf } from '../../support/config-problems.ts'
import { testSecret } from '../../support/portico.ts'

const env = {
  PUBLIC_URL: 'https://app.example.com',
  BFF_SECRETS: testSecret(),
  OIDC_ISSUER: 'https://idp.example.com',
  OIDC_CLIENT_ID: 'c',
}

const read = (text: string) =>
  readConfig({ ...env, OIDC_AUTHORIZATION_PARAMS: text }).providers[0].authorizationParams

const problemOf = (text: string): string =>
  problemsOf({ ...env, OIDC_AUTHORIZATION_PARAMS: text }).join() || 'none'

describe('what is taken', () => {
  test.each<[string, [string, string][]]>([
    ['access_type=offline', [['access_type', 'offline']]],
    [
      'access_type=offline&prompt=consent',
      [
        ['access_type', 'offline'],
        ['prompt', 'consent'],
      ],
    ],
    ['prompt=select_account%20consent', [['prompt', 'select_account consent']]],
    ['prompt=login+consent', [['prompt', 'login consent']]],
    ['audience=https%3A%2F%2Fapi.example.com%2F', [['audience', 'https://api.example.com/']]],
    ['audience=https://api.example.com/?a=b', [['audience', 'https://api.example.com/?a=b']]],
    ['kc_idp_hint=corporate', [['kc_idp_hint', 'corporate']]],
    ['login_hint=a%2Bb%40example.com', [['login_hint', 'a+b@example.com']]],
    [
      'display=popup&ui_locales=de&idp=0oa1',
      [
        ['display', 'popup'],
        ['ui_locales', 'de'],
        ['idp', '0oa1'],
      ],
    ],
    ['hd=*', [['hd', '*']]],
    ['x-y.z_1=%C3%BC', [['x-y.z_1', 'ü']]],
    ['resource=https://a.example/', [['resource', 'https://a.example/']]],
    [
      'resource=urn:example:a&resource=api%3A%2F%2Fdefault&resource=https%3A%2F%2Fa.example%2F%3Fx%3D1%26y',
      [
        ['resource', 'urn:example:a'],
        ['resource', 'api://default'],
        ['resource', 'https://a.example/?x=1&y'],
      ],
    ],
    [
      'claims=%7B%22id_token%22%3A%7B%22email%22%3Anull%2C%22acr%22%3Anull%7D%7D',
      [['claims', '{"id_token":{"email":null,"acr":null}}']],
    ],
  ])('%s', (text, expected) => {
    expect(read(text)).toEqual(expected)
  })

  test.each([undefined, ''])('without it (%j) there is none', (text) => {
    expect(readConfig({ ...env, OIDC_AUTHORIZATION_PARAMS: text }).providers[0].authorizationParams).toEqual(
      [],
    )
  })
})

test('a name has 64 characters at most, all of it 2000', () => {
  expect(read(`${'a'.repeat(64)}=b`)).toEqual([['a'.repeat(64), 'b']])
  expect(problemOf(`${'a'.repeat(65)}=b`)).toContain('is wrong at parameter 1, which has no name of up to 64')
  expect(read(`a=${'b'.repeat(1_998)}`)).toEqual([['a', 'b'.repeat(1_998)]])
  expect(problemOf(`a=${'b'.repeat(1_999)}`)).toContain('must have 2000 characters at most')
})

describe('a name that Portico has a use for is refused', () => {
  const names = [
    'response_type client_id redirect_uri scope state nonce code_challenge code_challenge_method dpop_jkt',
    'request request_uri response_mode registration max_age acr_values',
    'grant_type code code_verifier refresh_token assertion client_assertion client_assertion_type',
    'client_secret access_token id_token id_token_hint token sessionToken username password',
  ].flatMap((line) => line.split(' '))

  test.each(names)('%s', (name) => {
    const expected = new RegExp(`^OIDC_AUTHORIZATION_PARAMS must not name ${name}, which `)
    expect(problemOf(`${name}=x`)).toMatch(expected)
    expect(problemOf(`audience=x&${name}=x&a=b`)).toMatch(expected)
  })

  test.each(names)('%s in capitals, or percent-encoded', (name) => {
    expect(problemOf(`${name.toUpperCase()}=x`)).toContain(`must not name ${name.toUpperCase()}, which`)
    const encoded = [...name].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join('')
    expect(problemOf(`${encoded}=x`)).toContain(`must not name ${name}, which`)
  })

  test.each(['max_age', 'acr_values'])('%s: with what to do instead', (name) => {
    expect(problemOf(`${name}=1`)).toContain('send it with each login')
  })
})

describe('what is not right is refused', () => {
  test.each([
    ['prompt=none', 'must not contain prompt=none, with which no user could sign in'],
    ['prompt=consent%20none', 'must not contain prompt=none'],
    ['Prompt=consent', 'must write prompt in small letters'],
    ['Resource=https://a.example', 'must write resource in small letters'],
    ['prompt=login&prompt=consent', 'names prompt twice'],
    ['audience=a&audience=b', 'names audience twice'],
    ['audience=a&AUDIENCE=a', 'names AUDIENCE twice'],
    ['resource=urn:a:b&resource=urn:a:b', 'names resource twice with one value'],
    ['resource=/orders', 'must have as resource an absolute URI'],
    ['resource=api.example.com', 'must have as resource an absolute URI'],
    ['resource=https://', 'must have as resource an absolute URI'],
    ['resource=https%3A%2F%2Fa.example%2F%23x', 'must have as resource an absolute URI'],
    ['resource=https://a.example#', 'must have as resource an absolute URI'],
    ['resource=https%3A%2F%2Fa.example%2Fa%20b', 'must have as resource an absolute URI'],
    ['resource=https%3A%2F%2Fa.example%2F%C3%BC', 'must have as resource an absolute URI'],
    ['resource=urn:a:b&resource=x', 'must have as resource an absolute URI'],
    ['claims=email', 'must have as claims a JSON object'],
    ['authorization_details=%7B%22type%22%3A%22x%22%7D', 'must have as authorization_details a JSON array'],
    ['claims=null', 'must have as claims a JSON object'],
    ['claims=%5B%5D', 'must have as claims a JSON object'],
    [
      'claims=%7B%22id_token%22%3A%7B%22acr%22%3A%7B%22essential%22%3Atrue%7D%7D%7D',
      'must not ask for an acr',
    ],
    ['offline', 'is wrong at parameter 1, which has no value'],
    ['a=', 'is wrong at parameter 1, which has no value'],
    ['a=%20', 'is wrong at parameter 1, which has no value'],
    ['a=b&c=', 'is wrong at parameter 2, which has no value'],
    ['=b', 'is wrong at parameter 1, which has no name'],
    ['a=b&', 'is wrong at parameter 2, which has no name'],
    ['a=b&&c=d', 'is wrong at parameter 2, which has no name'],
    ['?a=b', 'is wrong at parameter 1, which has no name'],
    ['a=b&amp;c=d', 'is wrong at parameter 2, which has no name'],
    ['a[]=b', 'is wrong at parameter 1, which has no name'],
    ['%C3%BC=b', 'is wrong at parameter 1, which has no name'],
    ['a=50%', 'is wrong at parameter 1, which contains a % that is not percent-encoding'],
    ['a=%zz', 'is wrong at parameter 1, which contains a % that is not percent-encoding'],
    ['a=%ff', 'is wrong at parameter 1, which contains a % that is not percent-encoding'],
    ['%=b', 'is wrong at parameter 1, which contains a % that is not percent-encoding'],
    ['a=b%0Ac', 'is wrong at parameter 1, which contains a control character'],
    ['a=b%00', 'is wrong at parameter 1, which contains a control character'],
    ['a=%C2%85x', 'is wrong at parameter 1, which contains a control character'],
    ['prompt=select_account consent', 'must be percent-encoded'],
    ['a=ü', 'must be percent-encoded'],
    ['a=b\nc=d', 'must be percent-encoded'],
  ])('%j', (text, expected) => {
    expect(problemOf(text)).toContain(`OIDC_AUTHORIZATION_PARAMS ${expected}`)
  })

  test.each([
    'eyJhbGciOiJub25lIn0.canary',
    'canary!=x',
    'client_secret=canary',
    'resource=canary',
    'claims=canary',
    'a=canary%0A',
  ])('without repeating a value: %s', (text) => {
    expect(problemOf(text)).not.toMatch(/canary|none/)
  })
})

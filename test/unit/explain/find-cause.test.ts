import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { unreadableKeyRing } from '../../../src/app-token/key-ring-seal.ts'
import { findCause, knownCauses } from '../../../src/explain/causes/find-cause.ts'

test('docs/troubleshooting.md has the codes of all causes, and no other', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/troubleshooting.md'), 'utf8')
  const [, table = ''] = text.split('## Causes')
  const cells = [...table.matchAll(/^\| (`.*?) \|/gm)].map(([, cell = '']) => cell)
  const documented = cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, code]) => code))
  expect(documented.sort()).toEqual([...new Set(knownCauses.map(({ code }) => code))].sort())
})

test('a failure of an unknown code or reason still gets an answer', () => {
  expect(findCause({ code: 'payload_too_large', reason: '' })).toEqual({
    cause: 'payload_too_large',
    remedy: expect.stringContaining('docs/http-api.md'),
  })
  expect(findCause({ code: 'constructor', reason: 'x' }).cause).toBe('constructor: x')
})

test('each code has a last cause that fits every reason, or only known ones', () => {
  for (const code of new Set(knownCauses.map((known) => known.code))) {
    const says = knownCauses.filter((known) => known.code === code).map((known) => known.says)
    expect([code, says.at(-1)]).toEqual([code, undefined])
    // Of two that fit every reason, the second one is never found.
    expect([code, says.filter((pattern) => pattern === undefined)]).toEqual([code, [undefined]])
  }
})

/** Reasons as the code and providers write them; test/faults/login-causes.test.ts has others, with real failures. */
test.each([
  ['login_transaction_missing', 'transaction has another format', /sealed with a secret/],
  ['login_transaction_missing', 'session of the first request has ended', /had been finished before/],
  [
    'issuer_mismatch',
    'the provider it was begun with is no longer configured, or has another issuer',
    /configuration of the provider changed/,
  ],
  ['issuer_mismatch', 'it came to the address of one, and is for two', /providers were mixed up/],
  ['invalid_dpop_proof', '', /no valid DPoP proof/],
  ['csrf_check_failed', '', /a page that may not call Portico/],
  ['signed_out', '', /a logout of the same browser or user/],
  ['session_expired', '', /the session had ended/],
  ['session_required', '', /the browser brought no session/],
  ['invalid_request', '', /a parameter of the request/],
  ['store_unavailable', unreadableKeyRing, /signing keys in Redis cannot be opened/],
  ['internal_error', '', /a defect in Portico/],
  ['provider_error', 'token endpoint: status 400, invalid_target', /does not know the resource/],
  ['provider_error', 'token endpoint: status 400, invalid_dpop_proof', /does not accept our DPoP proof/],
  [
    'provider_error',
    'userinfo: status 401, it does not take the access token',
    /refuses to say who signed in/,
  ],
  ['provider_error', 'temporarily_unavailable', /for a reason of its own/],
  [
    'provider_error',
    'invalid_request_object: could not validate Request Object',
    /does not accept our signed request/,
  ],
  ['provider_error', 'unsupported_response_mode', /does not answer in the way of OIDC_RESPONSE_MODE/],
  [
    'invalid_authorization_response',
    'it is not signed, and OIDC_RESPONSE_MODE is jwt; its error: access_denied',
    /the answer is not signed, although/,
  ],
  ['invalid_authorization_response', 'it is a JWT, and OIDC_RESPONSE_MODE is query', /does not ask for that/],
  ['invalid_authorization_response', 'ERR_JWT_EXPIRED exp', /not valid now/],
  ['invalid_authorization_response', 'iat lies 40 s in the future', /not valid now/],
  ['invalid_authorization_response', 'ERR_JWT_CLAIM_VALIDATION_FAILED aud', /made for another client/],
  [
    'invalid_authorization_response',
    'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    /not by a key that the provider publishes/,
  ],
  ['invalid_id_token', 'azp is "other", another client', /made for another client/],
  ['invalid_id_token', 'at_hash belongs to another access token', /belongs to another access token/],
  ['invalid_id_token', 'ERR_JWS_INVALID', /the ID token does not verify/],
  ['invalid_token_response', 'token_type is not DPoP', /does not bind its tokens to a key/],
  ['invalid_token_response', 'no access_token', /none that OAuth defines/],
  ['invalid_userinfo', 'userinfo: status 500', /malformed or does not verify/],
])('%s, "%s": its own cause', (code, reason, cause) => {
  expect(findCause({ code, reason }).cause).toMatch(cause)
})

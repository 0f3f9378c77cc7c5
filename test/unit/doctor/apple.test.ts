import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { checkClientAuth } from '../../../src/doctor/provider/client-auth-checks.ts'
import { checkRevocation } from '../../../src/doctor/provider/revocation-checks.ts'
import { createExamination, discoveredServer, toLine } from '../../support/examination.ts'

/** What the doctor says of Sign in with Apple, whose metadata knows nothing of a secret that the client signs. */

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const env = {
  OIDC_CLIENT_KEY: String(key.export({ type: 'pkcs8', format: 'pem' })),
  OIDC_CLIENT_KEY_ID: 'ABC123DEFG',
  OIDC_APPLE_TEAM_ID: 'A1B2C3D4E5',
  OIDC_RESPONSE_MODE: 'form_post',
}
const apple = discoveredServer({
  token_endpoint_auth_methods_supported: ['client_secret_post'],
  revocation_endpoint: 'https://appleid.apple.com/auth/revoke',
})
const askWithCode = async (error: string) => {
  const refusal = { error, description: '', status: 400 }
  const examination = createExamination(env, { tryCode: async () => refusal })
  return (await checkClientAuth(examination, apple)).map(toLine)
}

test('the client secret is one of those that Apple lists', async () => {
  expect(await askWithCode('invalid_grant')).toEqual([
    'pass client authentication: the provider knows this client (apple_client_secret)',
  ])
})

test('a secret that Apple refuses leads to what it is made of', async () => {
  const [finding = ''] = await askWithCode('invalid_client')
  expect(finding).toMatch(
    /^fail client authentication: .* → check OIDC_CLIENT_ID \(the Services ID\), OIDC_APPLE_TEAM_ID/,
  )
})

test('no token is revoked, not even one that is invalid', async () => {
  const findings = await checkRevocation(createExamination(env, {}), apple, new Set())
  expect(findings.map(toLine)).toEqual([expect.stringMatching(/^pass revocation: off/)])
})

import { expect, test } from 'vitest'
import type { ProviderFetch, ProviderRequest } from '../../../src/provider/transport/fetch.ts'
import { observeFetch, toEndpoint } from '../../../src/provider/transport/observed-fetch.ts'
import { createResponse } from '../../../src/provider/transport/response.ts'
import { providerUnavailable } from '../../../src/provider/transport/unavailable.ts'

const post = (text: string, headers = {}): ProviderRequest => ({
  method: 'POST',
  headers,
  body: new URLSearchParams(text),
})

test.each<[string, string, ProviderRequest]>([
  ['discovery', 'https://idp.example/.well-known/openid-configuration', { method: 'GET', headers: {} }],
  ['discovery', 'https://idp.example/.well-known/oauth-authorization-server/x', {}],
  ['jwks', 'https://idp.example/.well-known/jwks.json', { headers: { accept: 'application/json' } }],
  ['userinfo', 'https://idp.example/me', { method: 'GET', headers: { authorization: 'Bearer x' } }],
  ['token', 'https://idp.example/token', post('grant_type=authorization_code&code=x')],
  ['token', 'https://idp.example/token', post('grant_type=refresh_token', { authorization: 'Basic x' })],
  ['revocation', 'https://idp.example/revoke', post('token=x&token_type_hint=refresh_token')],
  ['par', 'https://idp.example/par', post('response_type=code&client_id=x')],
  ['par', 'https://idp.example/par', post('request=eyJ.e30.x&client_id=x')],
])('a call is known by its form: %s at %s', (endpoint, url, call) => {
  expect(toEndpoint(url, call)).toBe(endpoint)
})

test.each<[string, ProviderFetch]>([
  ['ok', async () => answer(200)],
  ['ok', async () => answer(302)],
  ['refused', async () => answer(400)],
  ['overloaded', () => Promise.reject(providerUnavailable('status 503', { outage: 'overloaded' }))],
  ['no_answer', () => Promise.reject(providerUnavailable('deadline passed', { outage: 'no-answer' }))],
  ['connection_lost', () => Promise.reject(providerUnavailable('x', { outage: 'connection-lost' }))],
  ['unusable_answer', () => Promise.reject(new Error('a secret'))],
])('its outcome is one of few words: %s', async (outcome, fetch) => {
  const seen: unknown[] = []
  const observed = observeFetch(fetch, 'okta', { providerCall: (call) => void seen.push(call) })
  await observed('https://idp.example/token', post('grant_type=x')).catch(() => {})
  expect(seen).toEqual([
    expect.objectContaining({ provider: 'okta', endpoint: 'token', outcome, startedAt: expect.any(Number) }),
  ])
})

function answer(status: number) {
  return createResponse({ status, getHeader: () => null, readText: () => '', readJson: () => ({}) })
}

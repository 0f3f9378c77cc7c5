import { describe, expect, test } from 'vitest'
import { createConformance, type Exchange } from '../../support/openapi/conformance.ts'
import { createPackagedDocument } from '../../support/openapi/write.ts'

const findDeviation = createConformance(createPackagedDocument())

const headers = { 'x-request-id': 'r1', 'cache-control': 'no-store' }
const json = { ...headers, 'content-type': 'application/json; charset=utf-8' }
const problem = { ...headers, 'content-type': 'application/problem+json; charset=utf-8' }
const refusal = (status: number, code: string, more = {}) => ({
  status,
  headers: problem,
  body: { type: 'about:blank', title: 't', status, detail: 'd', code, request_id: 'r1', ...more },
})
const provider = { name: 'default', label: 'Okta', icon: null }
const compare = ({
  method = 'GET',
  target = '/api/providers',
  status = 200,
  headers: given = json as Record<string, string>,
  body = { providers: [provider] } as unknown,
}) =>
  findDeviation({
    method,
    target,
    status,
    headers: new Map(Object.entries(given)),
    body: typeof body === 'string' ? body : JSON.stringify(body),
  } satisfies Exchange)

describe('as documented', () => {
  test.each([
    ['an answer', {}],
    ['a refusal', refusal(400, 'invalid_request')],
    ['HEAD', { method: 'HEAD', body: '' }],
    [
      'claims beside those that are named',
      {
        target: '/api/userinfo',
        body: { sub: 'u1', anything: [1] },
      },
    ],
    [
      'a page',
      {
        target: '/api/frontchannel-logout?iss=x',
        headers: { ...headers, 'content-type': 'text/html' },
        body: '<html>',
      },
    ],
    ['nothing at this address', { target: '/api/nothing', ...refusal(404, 'not_found') }],
    [
      'a method that the address does not have',
      {
        method: 'PUT',
        ...refusal(405, 'method_not_allowed'),
        headers: { ...problem, allow: 'GET' },
      },
    ],
    ['a page of the app', { target: '/orders', body: '<html>' }],
  ])('%s', (_what, exchange) => {
    expect(compare(exchange)).toBeUndefined()
  })
})

describe('not as documented', () => {
  test.each([
    ['a status', { status: 201 }, 'the status 201'],
    ['a member too many', { body: { providers: [{ ...provider, secret: 'x' }] } }, 'secret'],
    ['a member too few', { body: { providers: [{}] } }, 'name'],
    ['a member of another type', { body: { providers: [{ ...provider, name: 1 }] } }, 'string'],
    ['a content type', { headers: { ...json, 'content-type': 'text/plain' } }, '"text/plain"'],
    ['a header too few', { headers: { 'content-type': 'application/json' } }, 'x-request-id'],
    ['a code of another operation', refusal(400, 'issuer_mismatch'), 'allowed values'],
    ['a code with another status', refusal(400, 'internal_error'), 'allowed values'],
    ['a refusal with more members', refusal(400, 'invalid_request', { stack: 'at x' }), 'stack'],
    ['a body where none belongs', { method: 'DELETE', target: '/api/sessions/x', status: 204 }, 'its body'],
    ['an answer at an address that is not documented', { target: '/api/nothing' }, 'not documented'],
    ['an answer to a method that is not documented', { method: 'PUT' }, 'not documented'],
    [
      'Allow with other methods',
      {
        method: 'PUT',
        ...refusal(405, 'method_not_allowed'),
        headers: { ...problem, allow: 'GET, POST' },
      },
      'Allow',
    ],
  ])('%s', (_what, exchange, deviation) => {
    expect(compare(exchange)).toContain(deviation)
  })
})

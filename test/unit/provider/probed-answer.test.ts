import { UnsecuredJWT } from 'jose'
import { expect, test } from 'vitest'
import { readPostedAnswer, readRedirect } from '../../../src/provider/probe/probed-answer.ts'

const redirectUri = 'https://app.example.com/api/callback'
const read = (text: string) => readPostedAnswer({ text }, redirectUri)?.refusal

test('what a page posts to the redirect URI is read, in every notation of HTML', () => {
  const page = (action: string, error: string) =>
    `<html><FORM id=x method='post' action=${action}><input type="hidden" value="state" name='state'/>
    <input name="error" value=${error}></form>`
  expect(read(page(`"${redirectUri}"`, '"login_required"'))?.error).toBe('login_required')
  const encoded = "'https&#x3a;&#47;&#x2F;app.example.com/api/callback'"
  expect(read(page(encoded, "'login&#95;required'"))?.error).toBe('login_required')
  expect(read('<form action="https://app.example.com/api/callback"></form>')).toBeUndefined()
})

test.each([
  '',
  '<form action="https://idp.example.com/signin"><input name="error" value="x"></form>',
  `<form data-action="${redirectUri}">`,
  '<form action="&#x999999;">',
])('a page that posts nothing there is none: %s', (text) => {
  expect(readPostedAnswer({ text }, redirectUri)).toBeUndefined()
})

test('the error of a signed answer is that in the JWT, not the one beside it', () => {
  const from = new URL('https://idp.example.com/authorize')
  const redirectTo = (location: string) =>
    readRedirect({ status: 303, headers: new Headers({ location }) }, from)
  const jwt = new UnsecuredJWT({ error: 'login_required', iss: 'https://idp.example.com' }).encode()
  expect(redirectTo(`${redirectUri}?response=${jwt}&error=server_error`)).toMatchObject({
    jwt,
    iss: 'https://idp.example.com',
    refusal: { error: 'login_required' },
  })
  expect(redirectTo(`${redirectUri}?response=x`)).toMatchObject({ jwt: 'x', refusal: undefined })
})

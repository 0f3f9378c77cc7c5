import { randomUUID } from 'node:crypto'
import express, { type Express } from 'express'
import type { default as OidcProvider } from 'oidc-provider'
import { type Person, people } from './people.ts'
import { renderSignInPage } from './sign-in-page.ts'

const findByPassword = (login: unknown, password: unknown): Person | undefined =>
  people.find((candidate) => candidate.login === login && candidate.password === password)

/** Adds the pages of the person's side: the form, its answer, and the way out. */
export function addSignIn(app: Express, provider: OidcProvider): void {
  const sessionTokens = addAuthn(app)

  /** How a person signs in who gave a password, by the first of the ways that were asked for. */
  const toLogin = (person: Person, asked: unknown) => {
    const [acr] = typeof asked === 'string' ? asked.split(' ') : []
    return { login: { accountId: person.id, amr: ['pwd'], ...(acr === undefined ? {} : { acr }) } }
  }

  app.get('/signin/:uid', async (req, res) => {
    const { params } = await provider.interactionDetails(req, res)
    const person = sessionTokens.spend(params.sessionToken)
    if (person !== undefined) {
      const result = toLogin(person, params.acr_values)
      return provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false })
    }
    const login = typeof params.login_hint === 'string' ? { login: params.login_hint } : {}
    const here = `/signin/${req.params.uid}`
    res.send(renderSignInPage({ action: here, cancel: `${here}/cancel`, ...login }))
  })

  app.post('/signin/:uid', express.urlencoded({ extended: false }), async (req, res) => {
    const { params } = await provider.interactionDetails(req, res)
    const { login, password } = req.body as Record<string, string>
    const person = findByPassword(login, password)
    const here = `/signin/${req.params.uid}`
    if (person === undefined) {
      const error = 'That user name and password do not belong together.'
      res
        .status(401)
        .send(renderSignInPage({ action: here, cancel: `${here}/cancel`, error, login: login ?? '' }))
      return
    }
    const result = toLogin(person, params.acr_values)
    await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false })
  })

  app.get('/signin/:uid/cancel', async (req, res) => {
    const result = { error: 'access_denied', error_description: 'The person cancelled the sign-in.' }
    await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false })
  })
}

/** Okta's sign-in for a widget in a page: password in, session token out, good once. */
function addAuthn(app: Express): { spend(token: unknown): Person | undefined } {
  const given = new Map<unknown, Person>()
  app.post('/api/v1/authn', express.json(), (req, res) => {
    const { username, password } = req.body as Record<string, unknown>
    const person = findByPassword(username, password)
    if (person === undefined) return void res.status(401).json({ errorCode: 'E0000004' })
    const sessionToken = randomUUID()
    given.set(sessionToken, person)
    res.json({ status: 'SUCCESS', sessionToken })
  })
  return {
    spend(token) {
      const person = given.get(token)
      given.delete(token)
      return person
    },
  }
}

import { randomUUID } from 'node:crypto'
import express, { type Express } from 'express'
import type { default as OidcProvider } from 'oidc-provider'
import { renderSignInPage } from './sign-in-page.ts'
import { type DemoUser, users } from './users.ts'

const findByPassword = (login: unknown, password: unknown): DemoUser | undefined =>
  users.find((candidate) => candidate.login === login && candidate.password === password)

/** Adds the pages that the user sees: the sign-in form, its submission, and Cancel. */
export function addSignIn(app: Express, provider: OidcProvider): void {
  const sessionTokens = addAuthn(app)

  /** The result of a sign-in by password. Its `acr` is the first of the requested ones. */
  const toLogin = (user: DemoUser, asked: unknown) => {
    const [acr] = typeof asked === 'string' ? asked.split(' ') : []
    return { login: { accountId: user.id, amr: ['pwd'], ...(acr === undefined ? {} : { acr }) } }
  }

  app.get('/signin/:uid', async (req, res) => {
    const { params } = await provider.interactionDetails(req, res)
    const user = sessionTokens.spend(params.sessionToken)
    if (user !== undefined) {
      const result = toLogin(user, params.acr_values)
      return provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false })
    }
    const login = typeof params.login_hint === 'string' ? { login: params.login_hint } : {}
    const here = `/signin/${req.params.uid}`
    res.send(renderSignInPage({ action: here, cancel: `${here}/cancel`, ...login }))
  })

  app.post('/signin/:uid', express.urlencoded({ extended: false }), async (req, res) => {
    const { params } = await provider.interactionDetails(req, res)
    const { login, password } = req.body as Record<string, string>
    const user = findByPassword(login, password)
    const here = `/signin/${req.params.uid}`
    if (user === undefined) {
      const error = 'The username or the password is wrong.'
      res
        .status(401)
        .send(renderSignInPage({ action: here, cancel: `${here}/cancel`, error, login: login ?? '' }))
      return
    }
    const result = toLogin(user, params.acr_values)
    await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false })
  })

  app.get('/signin/:uid/cancel', async (req, res) => {
    const result = { error: 'access_denied', error_description: 'The user cancelled the sign-in.' }
    await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false })
  })
}

/**
 * Adds Okta's sign-in for a widget in a page: it takes a password, and returns a session token for one use.
 */
function addAuthn(app: Express): { spend(token: unknown): DemoUser | undefined } {
  const given = new Map<unknown, DemoUser>()
  app.post('/api/v1/authn', express.json(), (req, res) => {
    const { username, password } = req.body as Record<string, unknown>
    const user = findByPassword(username, password)
    if (user === undefined) return void res.status(401).json({ errorCode: 'E0000004' })
    const sessionToken = randomUUID()
    given.set(sessionToken, user)
    res.json({ status: 'SUCCESS', sessionToken })
  })
  return {
    spend(token) {
      const user = given.get(token)
      given.delete(token)
      return user
    },
  }
}

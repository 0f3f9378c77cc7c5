import { z } from 'zod'
import type { ErrorCode } from '../../../errors.ts'
import { callbackParameters } from '../../browser-endpoints/callback.ts'
import { loginBody, loginQuery } from '../../browser-endpoints/login.ts'
import { loginStarted, providerList, signedIn } from '../answers.ts'
import { json, type Operation, page, redirect, redirectNote } from '../operation.ts'
import { ofBody, ofCsrf, ofDpop, ofEveryRequest, ofLimit } from '../refusals.ts'

const ofLogin: readonly ErrorCode[] = [
  ...ofEveryRequest,
  ...ofCsrf,
  ...ofLimit,
  'unknown_issuer',
  'invalid_token_response',
  'provider_error',
  'provider_unavailable',
]

const hasBegun = json('A fetch: where the page sends the browser.', loginStarted, { headers: ['Set-Cookie'] })
const isSentOn = { headers: ['Location', 'Set-Cookie'], content: redirectNote } as const
const mayChoose = page('A navigation that names no provider, or an issuer of several: the user chooses one.')

const logins: readonly Operation[] = [
  {
    path: '{api}/login',
    method: 'get',
    id: 'beginLogin',
    tag: 'browser',
    summary: 'Begins a login: says where to send the browser, or sends a navigation there.',
    query: loginQuery,
    answers: [
      hasBegun,
      redirect(302, "A navigation: the browser goes to the provider's sign-in page.", isSentOn),
      mayChoose,
    ],
    refusals: ofLogin,
  },
  {
    path: '{api}/login',
    method: 'post',
    id: 'beginLoginWithBody',
    tag: 'browser',
    summary:
      'Begins a login, as JSON with parameters that no link may contain, such as a session token of Okta, or as the form of a third party.',
    headers: ['csrfUnlessForm'],
    body: { json: loginBody, form: loginQuery, required: false },
    answers: [
      hasBegun,
      redirect(303, "A navigation: the browser goes to the provider's sign-in page.", isSentOn),
      mayChoose,
    ],
    refusals: [...ofLogin, ...ofBody],
  },
]

const ofCallback: readonly ErrorCode[] = [
  ...ofEveryRequest,
  ...ofLimit,
  ...ofDpop,
  'invalid_authorization_response',
  'issuer_mismatch',
  'login_transaction_expired',
  'login_transaction_missing',
  'consent_required',
  'interaction_required',
  'login_required',
  'signed_out',
  'unmet_authentication_requirements',
  'access_denied',
  'sign_in_refused',
  'invalid_access_token',
  'invalid_id_token',
  'invalid_token_response',
  'invalid_userinfo',
  'provider_error',
  'provider_unavailable',
]

const providerName = z.object({ provider: z.string().describe('The name of a configured provider.') })

const secondArrival = z.object({
  again: z
    .string()
    .optional()
    .describe('Sent by a page of this server, which the browser visits first where cookies do not come.'),
})

/** The operations of one callback address. */
function callbacksAt(path: Operation['path'], suffix: string, more: Partial<Operation>): Operation[] {
  const ofProvider: ErrorCode[] = more.pathParameters === undefined ? [] : ['not_found']
  const shared = {
    path,
    tag: 'browser',
    headers: ['dpop'],
    security: ['login', 'none'],
    ...more,
  } as const
  const isSignedIn = json('A fetch: the user is signed in.', signedIn, { optionalHeaders: ['Set-Cookie'] })
  const goesOn = redirect(303, 'A navigation: the browser goes on to the app.', {
    optionalHeaders: ['Set-Cookie'],
    content: redirectNote,
  })
  return [
    {
      ...shared,
      method: 'get',
      id: `completeLogin${suffix}`,
      summary: "Completes a login with the provider's answer.",
      query: callbackParameters.extend(secondArrival.shape),
      answers: [
        isSignedIn,
        page('A navigation from another site: a page that visits this address again.'),
        goesOn,
      ],
      refusals: [...ofCallback, ...ofProvider],
    },
    {
      ...shared,
      method: 'post',
      id: `completeLogin${suffix}WithBody`,
      summary: "Completes a login with the provider's answer as JSON or as a form.",
      query: secondArrival,
      body: { json: callbackParameters, form: callbackParameters, required: true },
      answers: [
        isSignedIn,
        page(
          'A navigation from another site: a page that posts the form again, and one that leads to the app.',
        ),
        goesOn,
      ],
      refusals: [...ofCallback, ...ofProvider, ...ofBody],
    },
  ]
}

/** How a user signs in. */
export const signInOperations: readonly Operation[] = [
  {
    path: '{api}/providers',
    method: 'get',
    id: 'listProviders',
    tag: 'browser',
    summary: 'Names the providers that a sign-in page may offer; the first is the default.',
    answers: [json('The configured providers.', providerList)],
    refusals: ofEveryRequest,
  },
  ...logins,
  ...callbacksAt('{api}/callback', '', {}),
  ...callbacksAt('{api}/callback/{provider}', 'OfProvider', { pathParameters: providerName }),
  {
    path: '{api}/session/continue',
    method: 'get',
    id: 'continueToPage',
    tag: 'browser',
    summary: 'Leads to a page of the app from a page of this server, so that strict cookies come with it.',
    query: z.object({ return_to: z.string().optional().describe('Where to go, as for a login.') }),
    answers: [page('A page that leads there.')],
    refusals: ofEveryRequest,
  },
]

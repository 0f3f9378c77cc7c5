import type { Facts, SpaConfig } from './types.ts'

export const lanes = ['This page', 'Portico', 'Provider', 'Sample API']
const [spa, portico, provider, api] = [0, 1, 2, 3]

/** One message of the sequence diagram, between two lanes or within one. */
export interface Step {
  id: string
  from: number
  to: number
  text: string
  note: string
  /** The part of the page's source that does it. */
  code?: string
}

const toLoginSteps = ({ pkce, pushed, signed, idToken }: Facts): Step[] => [
  {
    id: 'login',
    from: spa,
    to: portico,
    text: 'GET /api/login',
    note: 'The page asks where to sign in.',
    code: 'login',
  },
  ...(pushed
    ? [
        {
          id: 'pushed',
          from: portico,
          to: provider,
          text: `pushed${signed ? ' and signed' : ''} request`,
          note: 'Scope, redirect URI, challenge: all from server to server. The browser carries a reference.',
        },
      ]
    : []),
  {
    id: 'login-url',
    from: portico,
    to: spa,
    text: 'login_url',
    note: `${pkce ? `State${idToken ? ', nonce' : ''} and PKCE verifier stay` : 'The state stays'} in a sealed cookie. The server stores nothing yet.`,
  },
  {
    id: 'authorize',
    from: spa,
    to: provider,
    text: `authorize + ${pushed ? 'request_uri' : pkce ? 'code_challenge' : 'state'}`,
    note: pkce
      ? 'The browser goes to the provider.'
      : 'The browser goes to the provider. Without PKCE, only the state binds the response to this browser.',
  },
  {
    id: 'sign-in',
    from: provider,
    to: provider,
    text: 'you sign in',
    note: 'Only the provider sees the password.',
  },
]

/** What the provider adds to the redirect URI. */
const toAnswer = ({ signed }: Facts) => (signed ? 'response (a signed JWT)' : 'code&state')

const toForwardedSteps = (facts: Facts): Step[] => [
  {
    id: 'redirect',
    from: provider,
    to: spa,
    text: `/callback?${toAnswer(facts)}`,
    note: 'The provider redirects to the page with a code for one use.',
  },
  {
    id: 'callback',
    from: spa,
    to: portico,
    text: 'POST /api/callback',
    note: 'The page hands the code over.',
    code: 'callback',
  },
]

const toRedirectedSteps = (facts: Facts): Step[] => [
  {
    id: 'redirect',
    from: provider,
    to: portico,
    text: `/api/callback?${toAnswer(facts)}`,
    note: 'The provider sends the browser straight to Portico.',
  },
]

const toExchangeSteps = ({ pkce, idToken, jwtAccessToken, bound, clientAuth }: Facts): Step[] => [
  {
    id: 'exchange',
    from: portico,
    to: provider,
    text: pkce ? 'code + code_verifier' : 'code',
    note: `Server to server, with ${clientAuth}${bound ? ', and a DPoP proof of a key of Portico’s' : ''}.`,
  },
  {
    id: 'tokens',
    from: provider,
    to: portico,
    text: idToken ? 'ID, access, refresh token' : 'access, refresh token, user_id',
    note: `${bound ? 'Bound to that key: they' : 'They'} never reach this browser.`,
  },
  {
    id: 'verify',
    from: portico,
    to: portico,
    text: idToken ? 'verifies, keeps them' : 'keeps them',
    note: idToken
      ? `ID token${jwtAccessToken ? ' and access token' : ''}: signature against the JWKS; iss, aud, exp, nonce, at_hash and more.`
      : 'There is no ID token: the provider’s TLS connection is the only proof of who signed in.',
  },
  ...(idToken
    ? []
    : [
        {
          id: 'userinfo',
          from: portico,
          to: provider,
          text: 'GET userinfo/{user_id}',
          note: 'Name and groups come from here.',
        },
      ]),
]

const finalSteps: Step[] = [
  {
    id: 'app-token',
    from: portico,
    to: spa,
    text: 'cookie + app token',
    note: 'An HttpOnly session cookie, and a JWT for five minutes.',
    code: 'token',
  },
  { id: 'api', from: spa, to: api, text: 'app token', note: 'Try one of the API calls.', code: 'call' },
  {
    id: 'api-answer',
    from: api,
    to: spa,
    text: 'answer',
    note: 'The API checks signature, scope and groups, and asks Portico whether the session still exists.',
  },
]

const toLogoutSteps = ({ logout, idToken }: Facts): Step[] => [
  {
    id: 'logout',
    from: spa,
    to: portico,
    text: 'POST /api/logout',
    note: 'The session ends first, permanently: no request in progress can restore it.',
    code: 'logout',
  },
  {
    id: 'revoked',
    from: portico,
    to: provider,
    text: 'revokes the refresh token',
    note: 'Server to server; tried again where the provider does not answer.',
  },
  {
    id: 'logout-answer',
    from: portico,
    to: spa,
    text: logout ? 'logout_url' : 'logout_url: null',
    note: `The cookie is gone. App tokens of the session are inactive from now on.${logout ? ' The address is one of Portico, and contains no token.' : ' This provider has no logout.'}`,
  },
  ...(logout
    ? [
        {
          id: 'end-session',
          from: spa,
          to: provider,
          text: `logout${idToken ? ' + id_token_hint' : ''}`,
          note: 'The browser goes there through Portico, out of reach of scripts, so that the session at the provider ends as well.',
        },
        {
          id: 'ended-there',
          from: provider,
          to: portico,
          text: 'logout_token',
          note: 'The provider informs Portico server to server (back-channel logout), for browsers that it cannot reach.',
        },
        {
          id: 'back',
          from: provider,
          to: spa,
          text: 'back by /api/logout/callback',
          note: 'Logging in again asks for the password.',
        },
      ]
    : []),
]

/** An API that demands a recent sign-in, and how it gets one (RFC 9470). */
const stepUpSteps: Step[] = [
  {
    id: 'pay',
    from: spa,
    to: api,
    text: 'POST /payments',
    note: 'With a token that is valid.',
    code: 'call',
  },
  {
    id: 'demand',
    from: api,
    to: spa,
    text: '401 insufficient_user_authentication',
    note: 'A payment needs a sign-in within the last minute (RFC 9470).',
  },
  {
    id: 'step-up',
    from: spa,
    to: portico,
    text: 'GET /api/login?max_age=60',
    note: 'The client begins this login by itself.',
  },
  {
    id: 'reauthenticate',
    from: spa,
    to: provider,
    text: 'authorize + max_age',
    note: 'The browser goes to the provider, whose own session is too old.',
  },
  {
    id: 'sign-in-again',
    from: provider,
    to: provider,
    text: 'you sign in again',
    note: 'The provider says when (auth_time).',
  },
  {
    id: 'renewed',
    from: portico,
    to: spa,
    text: 'cookie + app token',
    note: 'Portico checks auth_time, and puts it into the app token.',
  },
  {
    id: 'paid',
    from: spa,
    to: api,
    text: 'POST /payments',
    note: 'Pay again: the sign-in is recent enough.',
    code: 'call',
  },
]

/** What the diagram can show. */
export type FlowName = 'login' | 'logout' | 'pay'

/** Returns the steps of everything that the diagram can show. */
export const toFlows = (redirect: SpaConfig['redirect'], facts: Facts): Record<FlowName, Step[]> => ({
  login: [
    ...toLoginSteps(facts),
    ...(redirect === 'spa' ? toForwardedSteps : toRedirectedSteps)(facts),
    ...toExchangeSteps(facts),
    ...finalSteps,
  ],
  logout: toLogoutSteps(facts),
  pay: stepUpSteps,
})

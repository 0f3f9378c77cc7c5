// @ts-check
/**
 * The sequence diagram: each step is filled in as it happens, and kept while the browser is at the provider.
 */

const lanes = ['This page', 'Portico', 'Provider', 'Sample API']
const [spa, portico, provider, api] = [0, 1, 2, 3]

/** @typedef {{ id: string, from: number, to: number, text: string, note: string }} Step */

/**
 * What is special about the provider.
 * @typedef {{ pkce: boolean, pushed: boolean, idToken: boolean, jwtAccessToken: boolean, bound: boolean,
 * clientAuth: string, logout: boolean }} Facts
 */

/** @param {Facts} facts @returns {Step[]} */
const toLoginSteps = ({ pkce, pushed, idToken }) => [
  { id: 'login', from: spa, to: portico, text: 'GET /api/login', note: 'The page asks where to sign in.' },
  ...(pushed
    ? [
        {
          id: 'pushed',
          from: portico,
          to: provider,
          text: 'pushed request',
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

/** @type {Step[]} */
const forwardedSteps = [
  {
    id: 'redirect',
    from: provider,
    to: spa,
    text: '/callback?code&state',
    note: 'The provider redirects to the page with a code for one use.',
  },
  {
    id: 'callback',
    from: spa,
    to: portico,
    text: 'POST /api/callback',
    note: 'The page hands the code over.',
  },
]

/** @type {Step[]} */
const redirectedSteps = [
  {
    id: 'redirect',
    from: provider,
    to: portico,
    text: '/api/callback?code&state',
    note: 'The provider sends the browser straight to Portico.',
  },
]

/** @param {Facts} facts @returns {Step[]} */
const toExchangeSteps = ({ pkce, idToken, jwtAccessToken, bound, clientAuth }) => [
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

/** @type {Step[]} */
const finalSteps = [
  {
    id: 'app-token',
    from: portico,
    to: spa,
    text: 'cookie + app token',
    note: 'An HttpOnly session cookie, and a JWT for five minutes.',
  },
  { id: 'api', from: spa, to: api, text: 'Bearer app token', note: 'Try one of the API calls.' },
  {
    id: 'api-answer',
    from: api,
    to: spa,
    text: 'answer',
    note: 'The API checks signature, scope and groups, and asks Portico whether the session still exists.',
  },
]

/** @param {Facts} facts @returns {Step[]} */
const toLogoutSteps = ({ logout, idToken }) => [
  {
    id: 'logout',
    from: spa,
    to: portico,
    text: 'POST /api/logout',
    note: 'The session ends first, permanently: no request in progress can restore it.',
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

/** @param {'spa' | 'server'} redirect @param {Facts} facts */
const toSteps = (redirect, facts) => [
  ...toLoginSteps(facts),
  ...(redirect === 'spa' ? forwardedSteps : redirectedSteps),
  ...toExchangeSteps(facts),
  ...finalSteps,
]

const storageKey = 'portico-demo-flow'

/** @returns {Record<string, string>} what happened at each step so far */
const readDone = () => JSON.parse(sessionStorage.getItem(storageKey) ?? '{}')

/**
 * Creates the diagram in an element.
 * @param {HTMLElement} element
 * @param {'spa' | 'server'} redirect
 * @param {Facts} facts
 */
export function createFlow(element, redirect, facts) {
  const loginSteps = toSteps(redirect, facts)
  const logoutSteps = toLogoutSteps(facts)

  function render() {
    const done = readDone()
    const steps = done.logout === undefined ? loginSteps : logoutSteps
    const head = document.createElement('div')
    head.className = 'lanes'
    head.ariaHidden = 'true'
    head.append(...lanes.map((name) => Object.assign(document.createElement('span'), { textContent: name })))
    const list = document.createElement('ol')
    list.append(...steps.map((step, index) => renderStep(step, index, done[step.id])))
    element.replaceChildren(head, list)
  }

  return {
    /** Marks steps as done, in this order. @param {...(string | [string, string])} marks */
    mark(...marks) {
      const done = readDone()
      for (const mark of marks) {
        const [id, note] = typeof mark === 'string' ? [mark, ''] : mark
        done[id] = note
      }
      sessionStorage.setItem(storageKey, JSON.stringify(done))
      render()
    },
    reset() {
      sessionStorage.removeItem(storageKey)
      render()
    },
    render,
  }
}

/**
 * @param {Step} step
 * @param {number} index
 * @param {string | undefined} happened
 */
function renderStep({ from, to, text, note }, index, happened) {
  const item = document.createElement('li')
  const isDone = happened !== undefined
  item.className = isDone ? 'done' : 'open'
  item.style.setProperty('--left', String(Math.min(from, to)))
  item.style.setProperty('--span', String(Math.abs(to - from)))
  const arrow = document.createElement('span')
  arrow.className = from === to ? 'self' : to > from ? 'arrow right' : 'arrow left'
  arrow.textContent = `${index + 1} · ${text}`
  const spoken = document.createElement('span')
  spoken.className = 'visually-hidden'
  spoken.textContent = `${lanes[from]} to ${lanes[to]}, ${isDone ? 'done' : 'not yet'}: `
  const remark = document.createElement('span')
  remark.className = 'note'
  remark.textContent = happened || note
  item.append(spoken, arrow, remark)
  return item
}

// @ts-check
import { createFlow } from './flow.js'
import {
  endOtherSessions,
  endSession,
  finishLogin,
  getSession,
  getSessions,
  getToken,
  logOut,
  startLogin,
} from './portico.js'
import { showToken } from './token-view.js'

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id))

/**
 * @type {{ apiUrl: string, provider: { title: string, facts: import('./flow.js').Facts }, redirect: 'spa' |
 * 'server' }}
 */
const config = await (await fetch('/demo.json')).json()
const flow = createFlow(element('flow'), config.redirect, config.provider.facts)

/** The app token is kept in memory only; after a reload the page asks for another one. */
let appToken = { token: '', expiresAt: 0 }

/** @param {{ token: string, expires_in: number }} answer */
function keepToken({ token, expires_in: expiresIn }) {
  appToken = { token, expiresAt: Date.now() + expiresIn * 1000 }
  showToken(
    {
      encoded: element('encoded'),
      header: element('header'),
      payload: element('payload'),
      times: element('times'),
    },
    token,
  )
}

async function currentToken() {
  if (Date.now() > appToken.expiresAt - 30_000) keepToken(await getToken())
  return appToken.token
}

/** @param {string} text */
function announce(text) {
  element('status').textContent = text
}

/** Other tabs of this app. */
const tabs = new BroadcastChannel('portico-demo')

/** @param {{ name?: string, email?: string, sub: string, groups?: string[] } | undefined} user */
function showPerson(user) {
  document.body.dataset.state = user === undefined ? 'signed-out' : 'signed-in'
  if (user === undefined) appToken = { token: '', expiresAt: 0 }
  if (user === undefined) return
  element('name').textContent = user.name ?? user.sub
  element('email').textContent = user.email ?? ''
  element('sub').textContent = user.sub
  element('groups').textContent = (user.groups ?? []).join(', ') || 'none'
}

/** Shows what Portico knows of this session, and of the user's other sessions. */
async function showSessions() {
  const { active, session, provider_token: providerToken } = await getSession()
  if (!active) return
  const minutes = (/** @type {number} */ seconds) => `${Math.round(seconds / 60)} min`
  element('session').textContent =
    `ends after ${minutes(session.idle_expires_in)} without use, or in ${minutes(session.absolute_expires_in)}`
  element('provider-token').textContent =
    `on the server; good for ${providerToken.expires_in} s, then Portico renews it by itself`
  const { sessions } = await getSessions()
  element('sessions').replaceChildren(...sessions.map(renderSession))
  element('end-others').hidden = sessions.length < 2
}

/**
 * @param {{ id: string, device: string, address: string | null, created_at: string, current: boolean }}
 * session
 */
function renderSession({ id, device, address, created_at: createdAt, current }) {
  const item = document.createElement('li')
  const since = new Date(createdAt).toLocaleTimeString([], { timeStyle: 'short' })
  const text = document.createElement('span')
  const place = address === null ? '' : ` at ${address}`
  text.textContent = `${device}${place}, since ${since}${current ? ' (this one)' : ''}`
  const button = document.createElement('button')
  button.type = 'button'
  button.textContent = 'End'
  button.ariaLabel = `End the session on ${device}, since ${since}`
  button.addEventListener('click', () =>
    run(async () => {
      await endSession(id)
      if (current) leave()
      announce(current ? 'You ended this session.' : `The session on ${device} has ended.`)
      await showSessions()
    }),
  )
  item.append(text, button)
  return item
}

/** @param {{ prompt?: string }} [more] */
async function logIn(more = {}) {
  flow.reset()
  announce('Asking Portico where to sign in …')
  flow.mark('login')
  const { login_url: loginUrl } = await startLogin({ return_to: '/', ...more })
  flow.mark('pushed', 'login-url', 'authorize')
  location.assign(loginUrl)
}

/**
 * Runs on the page to which the provider redirects: forwards the provider's response, also a refusal, to
 * Portico.
 */
async function completeLogin() {
  const query = location.search
  // The code works only once, but it should not stay in the address bar either.
  history.replaceState(null, '', '/')
  flow.mark(...(new URLSearchParams(query).has('code') ? ['sign-in'] : []), 'redirect', 'callback')
  const answer = await finishLogin(query)
  flow.mark('exchange', 'tokens', 'verify', 'userinfo', 'app-token')
  keepToken(answer)
  showPerson(answer.user)
  await showSessions()
  announce(`Signed in as ${answer.user.name ?? answer.user.sub}.`)
}

async function resume() {
  const { active, user } = await getSession()
  showPerson(active ? user : undefined)
  const farewell = sessionStorage.getItem(farewellKey)
  sessionStorage.removeItem(farewellKey)
  if (!active) {
    if (farewell !== null) {
      flow.mark('ended-there', 'back')
      announce(farewell)
    }
    return
  }
  keepToken(await getToken())
  await showSessions()
  if (config.redirect === 'server') {
    flow.mark('sign-in', 'redirect', 'exchange', 'tokens', 'verify', 'userinfo', 'app-token')
  }
  announce(`Signed in as ${user.name ?? user.sub}.`)
}

/** Shows the page as signed out, and informs the other tabs. */
function leave() {
  showPerson(undefined)
  tabs.postMessage('signed out')
}

/** Under this key the page keeps what it shows once the browser is back from the provider. */
const farewellKey = 'portico-demo-farewell'

/** @param {{ everywhere?: boolean }} [more] */
async function signOut(more = {}) {
  const { logout_url: logoutUrl } = await logOut({ return_to: '/', ...more }).catch(stay)
  leave()
  flow.reset()
  flow.mark('logout', 'revoked', 'logout-answer')
  const where = more.everywhere ? 'on all devices' : 'of this app'
  if (logoutUrl === null) {
    const why = config.provider.facts.logout
      ? 'The provider was not asked to sign you out, because this session had ended already or the provider does not answer'
      : 'This provider has no logout of its own'
    announce(
      `You are logged out ${where}. ${why}: logging in again may not ask for a password; “Log in as someone else” does.`,
    )
    element('log-in').focus()
    return
  }
  flow.mark('end-session')
  sessionStorage.setItem(farewellKey, `You are logged out ${where}, and in this browser at the provider.`)
  location.assign(logoutUrl)
}

/**
 * Reports a logout that failed: the user is still signed in. `session_expired` keeps its own message: it is
 * the answer to a logout everywhere whose session had ended already.
 * @param {{ code?: string }} error @returns {never}
 */
function stay(error) {
  if (error.code === 'session_expired') throw error
  const message = 'You are still signed in: the logout did not succeed. Try again in a moment.'
  throw Object.assign(new Error(message), { code: error.code ?? 'network_error' })
}

/** Checks, when the user comes back to this tab, whether the session was ended elsewhere. */
async function look() {
  if (document.body.dataset.state !== 'signed-in') return
  const { active } = await getSession({ slide: false })
  if (active) return
  showPerson(undefined)
  announce('Your session has ended: you logged out elsewhere, or it was ended for you.')
}

/** @param {HTMLButtonElement} button */
async function callApi({ dataset }) {
  const { method = 'GET', path = '/', scope } = dataset
  const token = scope === undefined ? await currentToken() : (await getToken({ scope })).token
  flow.mark(['api', `${method} ${path}${scope === undefined ? '' : ` with only ${scope}`}`])
  const response = await fetch(config.apiUrl + path, {
    method,
    headers: { Authorization: `Bearer ${token}` },
  })
  const body = JSON.stringify(await response.json(), null, 2)
  flow.mark(['api-answer', `${response.status} ${response.ok ? 'accepted' : 'refused'}`])
  const result = element('result')
  result.dataset.ok = String(response.ok)
  if (response.status === 401) await look()
  result.textContent = `${method} ${path} → ${response.status}\n${response.headers.get('WWW-Authenticate') ?? ''}\n${body}`
}

/**
 * Runs the action of a button. A refusal is shown; if the session has ended, the log-in button is shown
 * again.
 */
async function run(/** @type {() => Promise<void>} */ action) {
  try {
    await action()
  } catch (error) {
    const { code = 'network_error', message = 'The server does not answer.' } = /** @type {any} */ (error)
    if (['session_required', 'session_expired', 'signed_out'].includes(code)) showPerson(undefined)
    announce(`${message} (${code})`)
  }
}

element('log-in').addEventListener('click', () => run(() => logIn()))
element('log-in-as-another').addEventListener('click', () => run(() => logIn({ prompt: 'login' })))
element('log-out').addEventListener('click', () => run(() => signOut()))
element('log-out-everywhere').addEventListener('click', () => run(() => signOut({ everywhere: true })))
element('end-others').addEventListener('click', () =>
  run(async () => {
    const { ended } = await endOtherSessions()
    announce(ended === 1 ? 'One other session has ended.' : `${ended} other sessions have ended.`)
    await showSessions()
  }),
)
tabs.addEventListener('message', () => {
  if (document.body.dataset.state !== 'signed-in') return
  showPerson(undefined)
  announce('You logged out in another tab.')
})
// A check that fails is not shown: the result of the click itself is what the user needs to see.
for (const event of ['focus', 'pointerdown']) window.addEventListener(event, () => look().catch(() => {}))
element('new-token').addEventListener('click', () =>
  run(async () => {
    keepToken(await getToken())
    await showSessions()
  }),
)
for (const button of document.querySelectorAll('button[data-path]')) {
  button.addEventListener('click', () => run(() => callApi(/** @type {HTMLButtonElement} */ (button))))
}

element('provider').textContent = config.provider.title
flow.render()
showPerson(undefined)
await run(async () => {
  if (location.pathname === '/callback') await completeLogin().catch(failLogin)
  else await resume()
})
document.body.dataset.ready = 'true'

/** Shows why a login failed; a user who was signed in before stays signed in. @param {Error} error */
async function failLogin(error) {
  flow.mark(['callback', 'refused'])
  await resume()
  throw error
}

import type { LoginOptions, PorticoSession, PorticoState, PorticoUser } from '@portico-bff/client'
import { prepareApiPanel } from './api-panel.ts'
import { demo, portico } from './client.ts'
import { prepareCopyPanel } from './copy-panel.ts'
import { countdown, toDuration } from './countdown.ts'
import { type Errand, leaveFor, takeErrand } from './errand.ts'
import { flow } from './flow.ts'
import { announce, element, run, showAlert, showCode } from './page.ts'
import { prepareSessionsPanel, showSessions } from './sessions-panel.ts'
import { prepareThiefPanel } from './thief-panel.ts'
import { decode, forgetToken, prepareTokenPanel, showCurrentToken } from './token-panel.ts'

async function logIn(options: LoginOptions): Promise<void> {
  announce('Asking Portico where to sign in …')
  flow.begin('login')
  flow.mark('login')
  await leaveFor({ kind: 'login' }, async () => {
    if (demo.provider.isChosen) return chooseProvider(options)
    // #region login
    await portico.login({ returnTo: '/', ...options })
    // #endregion
  })
  flow.mark('pushed', 'login-url', 'authorize')
}

/** Goes to Portico's page with the providers: a navigation that names none. */
function chooseProvider({ prompt }: LoginOptions): void {
  location.assign(`/api/login?${new URLSearchParams({ return_to: '/', ...(prompt && { prompt }) })}`)
}

/** Whether the answer of the provider has a code, also one that is signed. */
function isGranted(): boolean {
  const answer = new URLSearchParams(location.search)
  const [, claims] = answer.get('response')?.split('.') ?? []
  return claims === undefined ? answer.has('code') : 'code' in (decode(claims) as object)
}

/** Runs on the page to which the provider redirects, also with a refusal. */
async function finishLogin(): Promise<void> {
  if (isGranted()) flow.mark('sign-in', 'redirect', 'callback')
  else errand = undefined
  try {
    // #region callback
    const { returnTo } = await portico.handleCallback()
    history.replaceState(null, '', returnTo)
    // #endregion
  } catch (error) {
    flow.mark('redirect', ['callback', 'refused'])
    history.replaceState(null, '', '/')
    throw error
  }
}

async function logOut(everywhere: boolean): Promise<void> {
  const where = everywhere ? 'on all devices' : 'of this app'
  const farewell = `You are logged out ${where}, and in this browser at the provider.`
  await leaveFor({ kind: 'logout', farewell }, async () => {
    // #region logout
    const { atProvider } = await portico.logout({ everywhere })
    // #endregion
    flow.begin('logout')
    flow.mark('logout', 'revoked', 'logout-answer')
    if (atProvider) return flow.mark('end-session')
    takeErrand()
    const why = demo.provider.facts.logout
      ? 'The provider was not asked to sign you out, because this session had ended already or the provider does not answer'
      : 'This provider has no logout of its own'
    announce(
      `You are logged out ${where}. ${why}: logging in again may not ask for a password; “Log in as someone else” does.`,
    )
  })
}

function showUser({ name, email, sub, groups }: PorticoUser): void {
  element('name').textContent = name ?? sub
  element('email').textContent = email ?? ''
  element('sub').textContent = sub
  element('groups').textContent = groups?.join(', ') || 'none'
}

let shownSession: PorticoSession | undefined

/** Shows the state, each time that it changes. */
function showState({ status, user, session, error }: PorticoState): void {
  const isKnown = user !== undefined
  document.body.dataset.state = status === 'unknown' && isKnown ? 'signed-in' : status
  if (isKnown) showUser(user)
  if (session !== undefined && session !== shownSession) {
    countdown.start('idle', session.idle_expires_in)
    countdown.start('absolute', session.absolute_expires_in)
  }
  shownSession = session
  if (error !== undefined && isKnown) announce('Portico does not answer right now. You stay signed in.')
}

/** Why the browser had left this page, until that was shown. */
let errand: Errand | undefined = takeErrand()

async function welcome(user: PorticoUser): Promise<void> {
  const back = errand
  errand = undefined
  if (back?.kind === 'login')
    flow.mark('sign-in', 'redirect', 'callback', 'exchange', 'tokens', 'verify', 'userinfo')
  if (back?.kind === 'pay') flow.begin('pay')
  await showCurrentToken()
  if (back?.kind === 'login') flow.mark('app-token')
  await showSessions()
  if (back?.kind === 'pay') {
    flow.mark('pay', 'demand', 'step-up', 'reauthenticate', 'sign-in-again', 'renewed')
    announce('You signed in again. Now you can pay.')
    return element('pay').focus()
  }
  announce(`Signed in as ${user.name ?? user.sub}.`)
  if (back !== undefined) element('greeting').focus()
}

/** Removes what belongs to the user who was signed in. */
function forget(): void {
  forgetToken()
  for (const id of ['sessions', 'elsewhere', 'loot']) element(id).replaceChildren()
  element('result').textContent = 'No call yet.'
  delete element('result').dataset.ok
}

/** Shows that the user is not signed in any more, and why. */
function sayGoodbye(reason?: 'here' | 'other-tab' | 'ended'): void {
  forget()
  if (reason === 'other-tab') announce('You logged out in another tab.')
  if (reason === 'ended') announce('Your session has ended: it timed out, or it was ended elsewhere.')
  element('log-in').focus()
}

portico.on('signed-in', ({ user }) =>
  run(element('greeting'), 'The page is not complete.', () => welcome(user)),
)
portico.on('user-changed', ({ user }) =>
  run(element('greeting'), 'The page is not complete.', async () => {
    forget()
    await welcome(user)
  }),
)
portico.on('signed-out', ({ reason }) => sayGoodbye(reason))
portico.on('expiring', ({ seconds }) =>
  announce(`Your session ends in ${toDuration(seconds)}. Click anywhere to stay signed in.`),
)
portico.on('renew-failed', ({ error }) =>
  showAlert(element('new-token'), 'The token could not be renewed.', error),
)

const onClick = (id: string, title: string, action: () => Promise<unknown>) =>
  element(id).addEventListener('click', () => run(element(id), title, action))

const stillSignedIn = 'You are still signed in: the logout did not succeed.'
onClick('log-in', 'The login could not begin.', () => logIn({}))
onClick('log-in-as-another', 'The login could not begin.', () => logIn({ prompt: 'login' }))
onClick('log-out', stillSignedIn, () => logOut(false))
onClick('log-out-everywhere', stillSignedIn, () => logOut(true))
onClick('ask-again', 'There is still no answer.', () => portico.checkSession())
prepareApiPanel()
prepareTokenPanel()
prepareSessionsPanel()
prepareCopyPanel()
prepareThiefPanel()
showCode(demo)
flow.render()

portico.subscribe(() => showState(portico.getState()))
if (location.pathname === '/callback')
  await run(element('log-in'), 'The sign-in did not succeed.', finishLogin)
else await portico.checkSession()

if (portico.getState().status === 'signed-out' && errand !== undefined) {
  if (errand.kind === 'logout') {
    flow.mark('ended-there', 'back')
    announce(errand.farewell)
  }
  element('log-in').focus()
}
errand = undefined

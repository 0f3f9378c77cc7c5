import { escapeHtml } from '../../src/http/pages.ts'
import { users } from './users.ts'

const style = `
:root { color-scheme: light dark; --ink: #14213d; --paper: #f4f6fb; --card: #fff; --line: #c9d1e3; --control: #7583a3; --accent: #2f5bea; --soft: #4d5a78; --red: #b3261e; font: 16px/1.5 system-ui, sans-serif }
@media (prefers-color-scheme: dark) { :root { --ink: #e7ecf8; --paper: #0d1220; --card: #161d30; --line: #37415c; --control: #7584a8; --accent: #86a3ff; --soft: #a7b3cf; --red: #ff8a80 } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--paper); color: var(--ink) }
main { width: min(26rem, calc(100vw - 2rem)); background: var(--card); border: 1px solid var(--line); border-radius: 1rem; padding: 2rem }
h1 { font-size: 1.35rem; margin: 0 } p { margin: .25rem 0 1.25rem } .brand { letter-spacing: .08em; text-transform: uppercase; font-size: .75rem; margin: 0 0 1rem; color: var(--soft) }
label { display: block; font-weight: 600; margin-top: 1rem }
input { width: 100%; margin-top: .3rem; font: inherit; color: inherit; background: transparent; padding: .6rem .75rem; border: 1px solid var(--control); border-radius: .5rem }
button { font: inherit; cursor: pointer; border-radius: .5rem; padding: .65rem 1rem; border: 1px solid var(--control); background: transparent; color: inherit }
button.primary { width: 100%; margin-top: 1.25rem; background: var(--accent); border-color: var(--accent); color: var(--card); font-weight: 600 }
:is(input, button, a):focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
.users { border-top: 1px solid var(--line); margin-top: 1.5rem; padding-top: 1rem; display: grid; gap: .5rem } .users button { text-align: left; width: 100% } .users small { color: var(--soft); display: block }
.error { border-left: 4px solid var(--red); padding-left: .75rem; margin: 1rem 0 0 }
.cancel { display: block; text-align: center; margin-top: 1rem; padding: .5rem; color: inherit }
`

function renderPage(main: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in at the demo provider</title><link rel="icon" href="data:,">
<style>${style}</style>
<main>
  <p class="brand">Demo identity provider</p>
  ${main}
</main>
</html>`
}

/** A page with a message and nothing to do. */
export const renderMessage = (title: string, text: string): string =>
  renderPage(`<h1>${escapeHtml(title)}</h1><p>${escapeHtml(text)}</p>`)

/**
 * The page that ends the user's session at the provider. It asks first, unless `isSure`: then it submits its
 * form by itself.
 */
export function renderLogoutPage(form: string, { isSure }: { isSure: boolean }): string {
  const yes =
    '<button class="primary" form="op.logoutForm" name="logout" value="yes" autofocus>Sign out</button>'
  const submit = `<script>document.querySelector('button').click()</script>`
  return renderPage(
    `<h1>Sign out of the provider?</h1><p>Other apps will ask you to sign in again.</p>${form}${yes}${isSure ? submit : ''}`,
  )
}

/** The provider's sign-in form, with a button for each of the demo's users. */
export function renderSignInPage(page: {
  action: string
  cancel: string
  login?: string
  error?: string
}): string {
  const choices = users.map(
    ({ login, password, name, about }) => `
    <form method="post" action="${escapeHtml(page.action)}">
      <input type="hidden" name="login" value="${escapeHtml(login)}"><input type="hidden" name="password" value="${escapeHtml(password)}">
      <button>${escapeHtml(name)}<small>${escapeHtml(login)}, ${escapeHtml(about)}</small></button>
    </form>`,
  )
  return renderPage(`
  <h1>Sign in</h1>
  <p>This page belongs to the provider. The app never sees your password.</p>
  ${page.error ? `<p class="error" role="alert">${escapeHtml(page.error)}</p>` : ''}
  <form method="post" action="${escapeHtml(page.action)}">
    <label for="login">Username</label>
    <input id="login" name="login" autocomplete="username" required${page.error ? '' : ' autofocus'} value="${escapeHtml(page.login ?? '')}">
    <label for="password">Password</label>
    <input id="password" name="password" type="password" autocomplete="current-password" required${page.error ? ' autofocus' : ''}>
    <button class="primary">Sign in</button>
  </form>
  <div class="users"><span>Or sign in with one click, as this is a demo</span>${choices.join('')}</div>
  <a class="cancel" href="${escapeHtml(page.cancel)}">Cancel</a>`)
}

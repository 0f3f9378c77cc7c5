import { createHash } from 'node:crypto'

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { display: grid; place-items: center; min-height: 90vh; margin: 0; padding: 1rem;
  background: Canvas }
main { max-width: 32rem }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .5rem }
nav { display: flex; gap: 1rem; margin: 1.5rem 0 }
a, button { color: inherit; padding: .6rem 1.1rem; border: 1px solid; border-radius: .5rem; text-decoration: none }
button { font: inherit; cursor: pointer }
nav a:first-child, button { background: CanvasText; color: Canvas; border-color: CanvasText }
:is(a, button):focus-visible { outline: 3px solid CanvasText; outline-offset: 3px }
small { opacity: .75 }
.sign-in { width: min(24rem, 100%); overflow-wrap: anywhere }
.sign-in p { margin: 0 }
.sign-in ul { display: grid; gap: .75rem; margin: 1.75rem 0 0; padding: 0; list-style: none }
.sign-in a { display: flex; align-items: center; gap: .9rem; padding: .6rem .9rem .6rem .6rem; border-radius: .75rem;
  border-color: color-mix(in srgb, CanvasText 55%, Canvas); font-weight: 600; line-height: 1.3 }
.sign-in a:hover { background: color-mix(in srgb, CanvasText 7%, Canvas) }
.sign-in a::after { content: "" / ""; width: .5rem; height: .5rem; margin: 0 .2rem 0 auto; flex: none; opacity: .6;
  border: solid; border-width: 2px 2px 0 0; rotate: 45deg }
.icon { display: grid; place-items: center; flex: none; width: 2.5rem; height: 2.5rem; border-radius: .5rem;
  background: color-mix(in srgb, CanvasText 10%, Canvas); font-size: 1.15rem }
img.icon { box-sizing: border-box; padding: .3rem; object-fit: contain; background: #fff }
`

/** The hash by which the Content Security Policy allows the pages' style (CSP Level 3, 8.1). */
export const pageStyleHash = toPolicyHash(style)

/** What a page does whose form needs no decision of the user. */
const submitScript = 'document.forms[0].submit()'

/** The hash by which the Content Security Policy allows that script. */
export const submitScriptHash = toPolicyHash(submitScript)

function toPolicyHash(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
/** Makes a text safe for HTML content and for quoted attributes. */
export const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (character) => entities[character] ?? '')

function renderPage(title: string, head: string, main: string, kind = ''): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${head}
<title>${escapeHtml(title)}</title>
<style>${style}</style>
<main${kind && ` class="${kind}"`}>
${main}
</main>
</html>
`
}

/** The page that a user sees when a navigation fails. Its texts are this server's own; all are escaped. */
export function renderErrorPage(page: {
  title: string
  detail: string
  code: string
  requestId: string
  /** The most likely one first. */
  links: readonly { href: string; text: string }[]
}): string {
  const links = page.links.map(({ href, text }) => `<a href="${escapeHtml(href)}">${escapeHtml(text)}</a>`)
  return renderPage(
    page.title,
    '',
    `<h1>${escapeHtml(page.title)}</h1>
<p>${escapeHtml(page.detail)}</p>
<nav>${links.join('\n')}</nav>
<small>${escapeHtml(page.code)} · request ${escapeHtml(page.requestId)}</small>`,
  )
}

/** A page with the ways to sign in to a site. The first letter of a way takes the place of a picture. */
export function renderSignInPage({
  site,
  ways,
}: {
  site: string
  ways: readonly { href: string; label: string; icon: string | undefined }[]
}): string {
  const items = ways.map(({ href, label, icon }) => {
    const picture =
      icon === undefined
        ? `<span class="icon" aria-hidden="true">${escapeHtml(toInitial(label))}</span>`
        : `<img class="icon" src="${escapeHtml(icon)}" alt="">`
    return `<li><a href="${escapeHtml(href)}">${picture}<bdi>${escapeHtml(label)}</bdi></a></li>`
  })
  return renderPage(
    'Sign in',
    '',
    `<h1>Sign in</h1>
<p>Continue to <b>${escapeHtml(site)}</b> with</p>
<ul>
${items.join('\n')}
</ul>`,
    'sign-in',
  )
}

/** The first letter as users see it, which may consist of several characters. */
const toInitial = (label: string) =>
  [...new Intl.Segmenter().segment(label)][0]?.segment.toLocaleUpperCase('en') ?? ''

/** An empty page, for an invisible frame. */
export const emptyPage = '<!doctype html>\n<html lang="en">\n<title>Signed out</title>\n</html>\n'

/**
 * A page that leads to an address of this server, at once or by a click, so that the browser treats the
 * navigation as one within the site.
 */
export function renderContinuePage({
  href,
  title,
  link,
  needsClick = false,
}: {
  href: string
  title: string
  link: string
  needsClick?: boolean
}): string {
  return renderPage(
    title,
    needsClick ? '' : `<meta http-equiv="refresh" content="0;url=${escapeHtml(href)}">`,
    `<nav><a href="${escapeHtml(href)}">${escapeHtml(link)}</a></nav>`,
  )
}

/**
 * A page that posts fields to an address of this server, at once or, without scripts, by a click. What they
 * contain is in no address.
 */
export function renderPostPage({
  action,
  fields,
  title,
  button,
}: {
  action: string
  fields: Readonly<Record<string, string>>
  title: string
  button: string
}): string {
  const inputs = Object.entries(fields).map(
    ([name, value]) => `<input type="hidden" name="${escapeHtml(name)}" value="${escapeHtml(value)}">`,
  )
  return renderPage(
    title,
    '',
    `<h1>${escapeHtml(title)}</h1>
<form method="post" action="${escapeHtml(action)}">
${inputs.join('\n')}
<button>${escapeHtml(button)}</button>
</form>
<script>${submitScript}</script>`,
  )
}

import { createHash } from 'node:crypto'

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { display: grid; place-items: center; min-height: 90vh; margin: 0; padding: 1rem }
main { max-width: 32rem }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .5rem }
nav { display: flex; gap: 1rem; margin: 1.5rem 0 }
a { color: inherit; padding: .6rem 1.1rem; border: 1px solid; border-radius: .5rem; text-decoration: none }
a:first-child { background: CanvasText; color: Canvas; border-color: CanvasText }
a:focus-visible { outline: 3px solid Highlight; outline-offset: 2px }
small { opacity: .75 }
`

/** The hash by which the Content Security Policy allows the pages' style (CSP Level 3, 8.1). */
export const pageStyleHash = `sha256-${createHash('sha256').update(style).digest('base64')}`

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
/** Makes a text safe for HTML content and for quoted attributes. */
export const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (character) => entities[character] ?? '')

function renderPage(title: string, head: string, main: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${head}
<title>${escapeHtml(title)}</title>
<style>${style}</style>
<main>
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

import { createHash } from 'node:crypto'
import type { RequestHandler } from 'express'
import { markup } from './markup.ts'
import { script } from './script.ts'
import { style } from './style.ts'

const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Portico operator</title>
<link rel="icon" href="data:,">
<style>${style}</style>
${markup}
<script>${script}</script>
</html>
`

const toSource = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/**
 * Nothing runs or is shown but the script and the style above (CSP Level 3, 8.1), nothing is sent but to this
 * server, and no text becomes markup or a script (Trusted Types): what the page shows comes from strangers.
 */
const policy = [
  "default-src 'none'",
  `script-src ${toSource(script)}`,
  `style-src ${toSource(style)}`,
  'img-src data:',
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

/** GET /operator/: the page for operators. It has no data: it asks for the secret, and calls the API. */
export const operatorPage: RequestHandler = (_req, res) => {
  res.set('Content-Security-Policy', policy).type('html').send(html)
}

import type { Request, Response } from 'express'

/**
 * Whether the browser itself went to this address, so that a user reads the response: a navigation never gets
 * raw JSON, a fetch never gets a redirect. Browsers say so in Fetch Metadata; without it, the Accept header
 * decides.
 */
export function isNavigation(req: Request): boolean {
  const mode = req.get('sec-fetch-mode')
  if (mode !== undefined) return mode === 'navigate'
  return req.accepts(['json', 'html']) === 'html'
}

/**
 * Redirects a navigation without a body: the one that Express sends repeats the address, which may contain an
 * ID token.
 */
export function redirectTo(res: Response, address: string): void {
  res.status(303).location(address).end()
}

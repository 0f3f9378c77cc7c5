import type { Request, Response } from 'express'

/**
 * Whether the browser itself went to this address, so that a person reads the answer: a navigation never sees raw
 * JSON, a fetch never sees a redirect. Browsers say so (Fetch Metadata); elsewhere the Accept header decides.
 */
export function isNavigation(req: Request): boolean {
  const mode = req.get('sec-fetch-mode')
  if (mode !== undefined) return mode === 'navigate'
  return req.accepts(['json', 'html']) === 'html'
}

/** Sends a navigation on, without the body of Express's redirect: it repeats the address, which may hold an ID token. */
export function redirectTo(res: Response, address: string): void {
  res.status(303).location(address).end()
}

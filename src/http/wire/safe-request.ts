import type { IncomingMessage } from 'node:http'
import { normalizeForwardedFor } from './forwarded-for.ts'
import { cutHeaderValues } from './header-values.ts'
import { toOriginForm } from './request-target.ts'

/** Normalizes what Express and its middleware read of a request. */
export function makeSafeToRead(req: IncomingMessage): void {
  req.url = toOriginForm(req.url ?? '')
  cutHeaderValues(req.headers)
  const forwardedFor = req.headers['x-forwarded-for']
  if (typeof forwardedFor === 'string') req.headers['x-forwarded-for'] = normalizeForwardedFor(forwardedFor)
}

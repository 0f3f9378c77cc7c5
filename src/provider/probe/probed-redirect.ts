import { redactProviderMessage } from '../transport/redact.ts'
import type { ProbeRefusal } from './probe-refusal.ts'

/** Where a response sends the browser, and the error in that URL. */
export interface ProbedRedirect {
  to: URL
  /** The error in the URL, if there is one; its texts are made safe to print. */
  refusal: ProbeRefusal | undefined
  /** Code and texts of the error as they were sent: to search in, not to print. */
  text: string
}

/** Reads a redirect in the response of the URL `from`; undefined if the response is none. */
export function readRedirect(
  { status, headers }: { status: number; headers: Pick<Headers, 'get'> },
  from: URL,
): ProbedRedirect | undefined {
  const location = headers.get('location')
  if (status < 300 || status >= 400 || location === null) return undefined
  const to = URL.parse(location, from)
  if (to === null) return undefined
  const read = (name: string) => findParameter(to, name)
  const [error, description, hint] = [read('error'), read('error_description'), read('error_hint')]
  const explanation = [description, hint].filter((text) => text !== '').join(' ')
  const refusal = {
    error: redactProviderMessage(error, '', []),
    description: redactProviderMessage('', explanation, []),
  }
  return { to, refusal: error === '' ? undefined : refusal, text: `${error} ${explanation}` }
}

/** A parameter of the query, or of the fragment, where single-page apps keep theirs. */
function findParameter({ searchParams, hash }: URL, name: string): string {
  const inFragment = new URLSearchParams(hash.slice(Math.max(1, hash.indexOf('?') + 1)))
  return searchParams.get(name) ?? inFragment.get(name) ?? ''
}

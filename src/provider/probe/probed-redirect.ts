import { redactProviderMessage } from '../transport/redact.ts'
import type { ProbeRefusal } from './probe-refusal.ts'

/** Where an answer sends the browser, and what it says against the request there. */
export interface ProbedRedirect {
  to: URL
  /** The error in the address, if there is any; its words are made safe to print. */
  refusal: ProbeRefusal | undefined
  /** All that the address says of an error, whole and as it was sent: to look into, not to print. */
  text: string
}

/** A redirect of the document at `from`; undefined where it is none. */
export function readRedirect(
  { status, headers }: { status: number; headers: Headers },
  from: URL,
): ProbedRedirect | undefined {
  const location = headers.get('location')
  if (status < 300 || status >= 400 || location === null) return undefined
  const to = URL.parse(location, from)
  if (to === null) return undefined
  const read = (name: string) => findParameter(to, name)
  const [error, description, hint] = [read('error'), read('error_description'), read('error_hint')]
  const said = [description, hint].filter((text) => text !== '').join(' ')
  const refusal = {
    error: redactProviderMessage(error, '', []),
    description: redactProviderMessage('', said, []),
  }
  return { to, refusal: error === '' ? undefined : refusal, text: `${error} ${said}` }
}

/** A parameter of the query, or of the fragment, where pages that live in the browser look for theirs. */
function findParameter({ searchParams, hash }: URL, name: string): string {
  const inFragment = new URLSearchParams(hash.slice(Math.max(1, hash.indexOf('?') + 1)))
  return searchParams.get(name) ?? inFragment.get(name) ?? ''
}

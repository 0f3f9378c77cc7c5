import { readUnverifiedClaims } from '../tokens/unverified-claims.ts'
import { redactProviderMessage } from '../transport/redact.ts'
import type { ProbeRefusal } from './probe-refusal.ts'

/** The response to a GET request. */
export interface ProbedDocument {
  status: number
  headers: Pick<Headers, 'get'>
  text: string
  /** The middle of the call, in milliseconds since the epoch. */
  at: number
}

/** What a provider answers, in an address or a form. */
export interface ProbedAnswer {
  /** The signed answer (JARM 2.3), not verified; what it says replaces the parameters. */
  jwt: string | undefined
  /** The issuer that it names (RFC 9207 2). */
  iss: string | undefined
  /** The error in it, if there is one; its texts are made safe to print. */
  refusal: ProbeRefusal | undefined
  /** Code and texts of the error as they were sent: to search in, not to print. */
  text: string
}

/** Where a response sends the browser, and the answer in that URL. */
interface ProbedRedirect extends ProbedAnswer {
  to: URL
}

/** Reads a redirect in the response of the URL `from`; undefined if the response is none. */
export function readRedirect(
  { status, headers }: Pick<ProbedDocument, 'status' | 'headers'>,
  from: URL,
): ProbedRedirect | undefined {
  const location = headers.get('location')
  if (status < 300 || status >= 400 || location === null) return undefined
  const to = URL.parse(location, from)
  if (to === null) return undefined
  return { to, ...readAnswer((name) => findParameter(to, name)) }
}

/**
 * Reads the answer that a page posts to the redirect URI (OAuth 2.0 Form Post Response Mode); undefined if
 * the page does not.
 */
export function readPostedAnswer({ text }: { text: string }, redirectUri: string): ProbedAnswer | undefined {
  const form = /<form\b[^<>]*>/i.exec(text)?.[0] ?? ''
  if (readAttribute(form, 'action') !== redirectUri) return undefined
  const inputs = [...text.matchAll(/<input\b[^<>]*>/gi)]
  const fields = new Map(inputs.map(([tag]) => [readAttribute(tag, 'name'), readAttribute(tag, 'value')]))
  return readAnswer((name) => fields.get(name) ?? '')
}

function readAnswer(find: (name: string) => string): ProbedAnswer {
  const jwt = find('response') || undefined
  const claims = jwt === undefined ? undefined : readUnverifiedClaims(jwt)
  const read = (name: string) => (jwt === undefined ? find(name) : String(claims?.[name] ?? ''))
  const [error, description, hint] = [read('error'), read('error_description'), read('error_hint')]
  const explanation = [description, hint].filter((text) => text !== '').join(' ')
  const refusal = {
    error: redactProviderMessage(error, '', []),
    description: redactProviderMessage('', explanation, []),
  }
  const iss = read('iss') || undefined
  return { jwt, iss, refusal: error === '' ? undefined : refusal, text: `${error} ${explanation}` }
}

/** An attribute of a tag of HTML; an empty text where it is not there. */
function readAttribute(tag: string, wanted: string): string {
  const found = [...tag.matchAll(attributes)].find(([, name]) => name?.toLowerCase() === wanted)
  const value = found?.[2] ?? found?.[3] ?? ''
  return value.replaceAll(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(amp|lt|gt|quot|apos));/gi, toCharacter)
}

const attributes = /\s([a-z]+)=(?:"([^"]*)"|'([^']*)')/gi

const namedCharacters: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function toCharacter(_match: string, decimal?: string, hex?: string, name = ''): string {
  const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal)
  return namedCharacters[name.toLowerCase()] ?? (code <= 0x10ffff ? String.fromCodePoint(code) : '')
}

/** A parameter of the query, or of the fragment, where single-page apps keep theirs. */
function findParameter({ searchParams, hash }: URL, name: string): string {
  const inFragment = new URLSearchParams(hash.slice(Math.max(1, hash.indexOf('?') + 1)))
  return searchParams.get(name) ?? inFragment.get(name) ?? ''
}

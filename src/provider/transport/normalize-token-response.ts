import { z } from 'zod'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { UnverifiedRefresh } from '../grants/unverified-refresh.ts'
import { tokenError } from './errors.ts'
import type { ProviderFetch } from './fetch.ts'

/**
 * The member of a token answer that holds the ID token. openid-client would verify one under its own name, and would
 * drop the whole answer, the next refresh token included, where it refuses it.
 */
export const unverifiedIdTokenMember = 'unverified_id_token'

type Body = Record<string, unknown>

/**
 * Wraps the provider's fetch: answers to POST requests come as RFC 6749 5 wants them, whatever habits the provider has.
 * An error is one whatever its status and content type, and a token answer holds texts, numbers and nothing that is null.
 *
 * The returned function throws AppError `invalid_token_response`, its reason naming the field that cannot be used, and
 * UnverifiedRefresh where that answer brought a new refresh token.
 */
export function normalizeTokenResponses(
  fetch: ProviderFetch,
  { verifiesIdToken }: ProviderConfig,
): ProviderFetch {
  return async (url, init) => {
    const response = await fetch(url, init)
    if (init.method !== 'POST') return response
    const body = await readBody(response.clone())
    if (body === undefined) return response
    const error = readError(body, response.status)
    if (error !== undefined) return toErrorAnswer(error, response)
    const grant = init.body instanceof URLSearchParams ? init.body.get('grant_type') : null
    if (!response.ok || grant === null) return response
    const { id_token: idToken, ...rest } = standardize(body, grant === 'refresh_token')
    // An ID token that nothing can verify is dropped unread.
    const answer =
      verifiesIdToken && idToken !== undefined ? { ...rest, [unverifiedIdTokenMember]: idToken } : rest
    return toJson(answer, 200, response.headers)
  }
}

/** The members of an answer, in JSON or, from a few old providers, as a form; undefined where it is neither. */
async function readBody(response: Response): Promise<Body | undefined> {
  const text = await response.text()
  const type = response.headers.get('content-type') ?? ''
  if (/^application\/x-www-form-urlencoded/i.test(type)) return Object.fromEntries(new URLSearchParams(text))
  try {
    const body: unknown = JSON.parse(text)
    return typeof body === 'object' && body !== null && !Array.isArray(body) ? (body as Body) : undefined
  } catch {
    return undefined
  }
}

interface ErrorAnswer {
  error: string
  error_description?: string
}

const asText = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)

/**
 * The error of an answer (RFC 6749 5.2). Some send it with status 200 (GitHub), some as an object (Facebook), and some only
 * say a `message` (Twitch).
 */
function readError(body: Body, status: number): ErrorAnswer | undefined {
  const { error, error_description: description, message } = body
  const isRefusal = status >= 400 || asText(body.access_token) === undefined
  if (!isRefusal) return undefined
  const nested = typeof error === 'object' && error !== null ? (error as Body) : {}
  const said = asText(message) ?? asText(nested.message)
  if (said?.toLowerCase() === 'invalid refresh token')
    return { error: 'invalid_grant', error_description: said }
  // A message alone names no error that could mean anything more.
  const wordless = status >= 400 && said !== undefined ? 'refused' : undefined
  const name = asText(error) ?? asText(nested.code) ?? asText(nested.type) ?? wordless
  if (name === undefined) return undefined
  const explained = asText(description) ?? said
  return { error: name, ...(explained === undefined ? {} : { error_description: explained }) }
}

/** A challenge goes: openid-client would look at it alone, although the body says more. */
function toErrorAnswer(error: ErrorAnswer, { status, headers }: Response): Response {
  const kept = new Headers(headers)
  kept.delete('www-authenticate')
  return toJson(error, status >= 400 && status < 500 ? status : 400, kept)
}

function toJson(body: object, status: number, headers: Headers): Response {
  const told = new Headers(headers)
  told.set('content-type', 'application/json')
  return new Response(JSON.stringify(body), { status, headers: told })
}

const text = z.string('is no text').min(1, 'is empty')

/** A duration; one of less than a second says nothing. */
const seconds = z
  .union(
    [
      z.number(),
      z
        .string()
        .regex(/^-?\d{1,15}(\.\d{1,15})?$/)
        .transform(Number),
    ],
    'is no number',
  )
  .transform((value) => (value >= 1 ? value : undefined))

/** The members that this server reads (RFC 6749 5.1); all others pass as they are. */
const tokenAnswer = z.looseObject({
  access_token: text,
  // Left out by some, although required; DPoP is never left out (RFC 9449 5).
  token_type: text.regex(/^(bearer|dpop)$/i, 'is neither Bearer nor DPoP').default('Bearer'),
  expires_in: seconds.optional(),
  refresh_token: text.optional(),
  id_token: text.optional(),
  scope: z
    .union(
      [z.string(), z.array(z.string()).transform((scopes) => scopes.join(' '))],
      'is neither a text nor a list of texts',
    )
    .optional(),
})

/** Members that some providers leave empty where they mean to leave them out. */
const emptyMeansAbsent: ReadonlySet<string> = new Set([
  'refresh_token',
  'id_token',
  'token_type',
  'expires_in',
])

/** What cannot be used is refused; the next refresh token that a refused refresh brought is kept. */
function standardize(body: Body, isRefresh: boolean): z.infer<typeof tokenAnswer> {
  const given = Object.entries(body).filter(
    ([name, value]) =>
      name !== unverifiedIdTokenMember && value !== null && !(value === '' && emptyMeansAbsent.has(name)),
  )
  const { data, error } = tokenAnswer.safeParse(Object.fromEntries(given))
  if (data !== undefined) return data
  const [issue] = error.issues
  const field = String(issue?.path[0] ?? 'the answer')
  const problem = field in body ? issue?.message : 'is missing'
  const refusal = tokenError('invalid_token_response', `token endpoint: ${field} ${problem}`)
  const refreshToken = asText(body.refresh_token)
  throw isRefresh && refreshToken !== undefined ? new UnverifiedRefresh(refreshToken, refusal) : refusal
}

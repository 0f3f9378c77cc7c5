import { z } from 'zod'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { tokenError } from '../transport/errors.ts'
import type { ProviderFetch, ProviderRequest } from '../transport/fetch.ts'
import { createResponse, type ProviderResponse } from '../transport/response.ts'
import { UnverifiedRefresh } from './unverified-refresh.ts'

/**
 * The member of a normalized token response that holds the ID token. Under its own name, openid-client would
 * verify the ID token, and on failure would drop the whole response, including the next refresh token.
 */
export const unverifiedIdTokenMember = 'unverified_id_token'

type Body = Record<string, unknown>

/**
 * Wraps the provider's fetch so that responses to POST requests have the form of RFC 6749 5, however the
 * provider writes them: an error response is one whatever its status and content type, and a token response
 * holds texts and numbers, without any null.
 *
 * The returned function throws AppError `invalid_token_response`, its reason naming the field that cannot be
 * used, or UnverifiedRefresh where that response brought a new refresh token.
 */
export function normalizeTokenResponses(
  fetch: ProviderFetch,
  { verifiesIdToken }: ProviderConfig,
): ProviderFetch {
  return async (url, request) => {
    const response = await fetch(url, request)
    if (request.method !== 'POST') return response
    const body = await readBody(response)
    if (body === undefined) return response
    const error = readError(body, response.status)
    if (error !== undefined) return toErrorResponse(error, response)
    const grantType = readGrantType(request)
    if (!response.ok || grantType === null) return response
    const tokens = parseTokens(body, grantType)
    return toJsonResponse(hideIdToken(tokens, verifiesIdToken), 200, response)
  }
}

/**
 * The members of a body, which is JSON or, from a few old providers, a form; undefined where it is neither.
 */
async function readBody(response: ProviderResponse): Promise<Body | undefined> {
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

const readGrantType = ({ body }: ProviderRequest): string | null =>
  body instanceof URLSearchParams ? body.get('grant_type') : null

interface ErrorResponse {
  error: string
  error_description?: string | undefined
}

/**
 * The error of a response (RFC 6749 5.2). Some providers send it with status 200 (GitHub), some as an object
 * (Facebook), and some send only a `message` (Twitch).
 */
function readError(body: Body, status: number): ErrorResponse | undefined {
  const { error, error_description: description, message } = body
  const isError = status >= 400 || toText(body.access_token) === undefined
  if (!isError) return undefined
  const nested = typeof error === 'object' && error !== null ? (error as Body) : {}
  const explanation = toText(message) ?? toText(nested.message)
  if (explanation?.toLowerCase() === 'invalid refresh token')
    return { error: 'invalid_grant', error_description: explanation }
  // Without an error code, a message says no more than that the request was refused.
  const fallback = status >= 400 && explanation !== undefined ? 'refused' : undefined
  const code = toText(error) ?? toText(nested.code) ?? toText(nested.type) ?? fallback
  if (code === undefined) return undefined
  return { error: code, error_description: toText(description) ?? explanation }
}

const toText = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)

const toErrorResponse = (error: ErrorResponse, response: ProviderResponse) =>
  toJsonResponse(error, response.status >= 400 && response.status < 500 ? response.status : 400, response)

const text = z.string('is no text').min(1, 'is empty')

/** A duration; one of less than a second counts as absent. */
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

/** The members that this server reads (RFC 6749 5.1); all others pass unchanged. */
const tokenResponse = z.looseObject({
  access_token: text,
  // Required, but omitted by some providers; for DPoP it is never omitted (RFC 9449 5).
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

type TokenResponse = z.infer<typeof tokenResponse>

/** Members that some providers send empty instead of omitting them. */
const emptyMeansAbsent: ReadonlySet<string> = new Set([
  'refresh_token',
  'id_token',
  'token_type',
  'expires_in',
])

/** Refuses a response with an unusable member; of a refresh, its new refresh token is kept. */
function parseTokens(body: Body, grantType: string): TokenResponse {
  const given = Object.entries(body).filter(
    ([name, value]) =>
      name !== unverifiedIdTokenMember && value !== null && !(value === '' && emptyMeansAbsent.has(name)),
  )
  const { data, error } = tokenResponse.safeParse(Object.fromEntries(given))
  if (data !== undefined) return data
  const [issue] = error.issues
  const field = String(issue?.path[0] ?? 'the response')
  const problem = field in body ? issue?.message : 'is missing'
  const refusal = tokenError('invalid_token_response', `token endpoint: ${field} ${problem}`)
  const refreshToken = toText(body.refresh_token)
  const isRefresh = grantType === 'refresh_token'
  throw isRefresh && refreshToken !== undefined ? new UnverifiedRefresh(refreshToken, refusal) : refusal
}

/** Moves the ID token to where openid-client does not read it; drops it if it cannot be verified. */
function hideIdToken({ id_token: idToken, ...others }: TokenResponse, verifiesIdToken: boolean): object {
  return verifiesIdToken ? { ...others, [unverifiedIdTokenMember]: idToken } : others
}

/** Without a challenge: openid-client would read only that, although the body says more. */
function toJsonResponse(body: object, status: number, { headers }: ProviderResponse): ProviderResponse {
  return createResponse({
    status,
    getHeader(name) {
      if (name === 'content-type') return 'application/json'
      return name === 'www-authenticate' ? null : headers.get(name)
    },
    readText: () => JSON.stringify(body),
    readJson: () => body,
  })
}

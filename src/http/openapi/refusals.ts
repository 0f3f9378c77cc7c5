import type { ErrorCode } from '../../errors.ts'

/** What several operations refuse in the same way: by guards of routes.ts, and by the parts behind them. */

type Codes = readonly ErrorCode[]

/** Every request, before any endpoint. */
export const ofEveryRequest: Codes = [
  'invalid_request',
  'request_timeout',
  'headers_too_large',
  'internal_error',
]

/** The parser of a body. */
export const ofBody: Codes = ['payload_too_large', 'unsupported_media_type']

/** The store, where an endpoint needs it. */
export const ofStore: Codes = ['store_unavailable']

/** The guard against other sites. */
export const ofCsrf: Codes = ['csrf_check_failed']

/** A limit by address, which is counted in the store. */
export const ofLimit: Codes = ['too_many_requests', ...ofStore]

/** The need for a session. */
export const ofSession: Codes = ['session_required', 'session_expired', ...ofStore]

/** The refresh of the session's tokens, where they have expired. */
export const ofRefresh: Codes = [
  'invalid_access_token',
  'invalid_id_token',
  'invalid_token_response',
  'invalid_userinfo',
  'provider_unavailable',
]

/** The proof of the key to which an app token is bound, and the binding of the session. */
export const ofDpop: Codes = ['invalid_dpop_proof', 'use_dpop_nonce', 'dpop_key_mismatch']

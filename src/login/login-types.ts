import type { NewSession, Session } from '../session/session.ts'
import type { CodeResponse, SealedTransaction, Transaction } from './transaction.ts'

/**
 * The provider's answer to an authorization request, as the browser brought it (RFC 6749 4.1.2, RFC 9207).
 */
export interface AuthorizationResponse {
  state: string
  code?: string | undefined
  iss?: string | undefined
  error?: string | undefined
  errorDescription?: string | undefined
  /** The JWT that contains all of the above (JARM 2.1). None of that counts before the JWT is verified. */
  jwt?: string | undefined
  /** The provider whose own callback address received it; undefined for the common address. */
  arrivedFor?: string | undefined
}

/** What a login needs to know of the browser that brings the response. */
export interface Browser {
  /** The sealed transactions of its logins in progress. */
  transactions: readonly SealedTransaction[]
  /** The session that it is signed in to. */
  session: Session | undefined
  /** Shown to the user in the list of sessions. */
  client: { device: string; address?: string }
  /** The app token that it asks for, and the key of its proof; a navigation asks for none. */
  appToken: { dpopThumbprint: string | undefined } | undefined
}

/** A login whose tokens are verified. It has no session yet. */
export interface VerifiedLogin {
  outcome: 'verified'
  newSession: NewSession
  returnTo: string
  transaction: Transaction
  response: CodeResponse
  /** When the callback came, in milliseconds since the epoch. */
  arrivedAt: number
}

/** A browser that is signed in, and where it goes next. */
export interface SignedIn {
  session: Session
  returnTo: string
  /** Id of the session whose cookie the browser gets; undefined where it has the cookie already. */
  sessionId: string | undefined
}

/**
 * A callback that came again: the session of the first one. Its cookie may go out again, because a reload may
 * have cost the browser the answer that set it.
 */
export interface RepeatedLogin extends SignedIn {
  outcome: 'repeated'
}

import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { isEqualInConstantTime } from '../crypto/constant-time.ts'
import { deriveLoginSecrets } from '../crypto/derive-key.ts'
import { sha256Base64url } from '../crypto/hash.ts'
import { randomBytes } from '../crypto/random.ts'
import type { Sealer } from '../crypto/sealer.ts'
import { AppError } from '../errors.ts'

/** Content of a login's cookie: little, so that a browser can bring many. All of it is printable ASCII. */
const transactionContent = z.object({
  /** Base64url. State, nonce and code verifier are derived from it. */
  seed: z.string(),
  /** The provider's name in the configuration, and its issuer (RFC 9700 4.4.2). */
  providerName: z.string(),
  issuer: z.string(),
  returnTo: z.string(),
  /** As sent to the provider, space-separated. */
  prompt: z.string().optional(),
  /** Seconds. */
  maxAge: z.number().optional(),
  /** Space-separated, as sent. */
  acrValues: z.string().optional(),
  /** Thumbprint of Portico's key that the code is bound to (RFC 9449 10); a key towards the provider. */
  dpopThumbprint: z.string().optional(),
  /** Thumbprint of the browser's key to which the session will be bound; a key towards Portico. */
  browserJkt: z.string().optional(),
  /** The trace that the callback continues (W3C Trace Context 3.2), where traces are recorded. */
  traceparent: z.string().optional(),
})

/**
 * One login in progress. It lives sealed in a cookie of its browser and nowhere else: the store has no entry
 * before a login succeeds, two tabs do not disturb each other, and any replica can finish it.
 */
export interface Transaction extends z.infer<typeof transactionContent> {
  /** Names the cookie. Ids sort by age, so that the oldest cookie is found without opening any. */
  id: string
  /** Milliseconds since the epoch; read from the id. */
  startedAt: number
  /** Binds the response to this browser, once (RFC 6749 10.12): the id, a dot, and a secret. */
  state: string
  nonce: string
  /** PKCE (RFC 7636 4.1). */
  codeVerifier: string
}

/** Milliseconds that a login may take, and that its cookie lives. */
export const transactionLifetime = 10 * 60_000

/** Characters at the start of an id that hold the time at which the login was begun, in base 36. */
const ageLength = 9

/** Begins a transaction with a fresh state, nonce and code verifier of 256 bits each. */
export function createTransaction(
  request: Omit<z.infer<typeof transactionContent>, 'seed'>,
  clock: Clock,
): Transaction {
  const random = randomBytes(36)
  const id = clock.now().toString(36).padStart(ageLength, '0') + random.toString('hex', 0, 4)
  return toTransaction(id, { ...request, seed: random.toString('base64url', 4) })
}

function toTransaction(id: string, content: z.infer<typeof transactionContent>): Transaction {
  const { state, nonce, codeVerifier } = deriveLoginSecrets(Buffer.from(content.seed, 'base64url'))
  return {
    ...content,
    id,
    startedAt: toStartedAt(id),
    state: `${id}.${state}`,
    nonce,
    codeVerifier,
  }
}

/** The S256 code challenge of a verifier (RFC 7636 4.2). */
export function toCodeChallenge(codeVerifier: string): string {
  return sha256Base64url(codeVerifier)
}

/**
 * The transaction id in a state, which names the cookie; undefined if the text is not a state of this server.
 */
export function toTransactionId(state: string): string | undefined {
  const [id = '', secret = '', ...rest] = state.split('.')
  return isTransactionId(id) && /^[\w-]{43}$/.test(secret) && rest.length === 0 ? id : undefined
}

/** The time at which the login of an id was begun, in milliseconds since the epoch. */
export const toStartedAt = (id: string): number => Number.parseInt(id.slice(0, ageLength), 36)

export const isTransactionId = (text: string): boolean => /^[0-9a-z]{9}[0-9a-f]{8}$/.test(text)

/** A provider's response that grants a code (RFC 6749 4.1.2, RFC 9207). */
export interface CodeResponse {
  state: string
  code: string
  iss?: string | undefined
}

/** Identifies a login in the store without revealing its state. */
export const toLoginFingerprint = (state: string): string => sha256Base64url(state)

/** Distinguishes two responses with the same state, without revealing their codes. */
export const toResponseFingerprint = ({ state, code, iss = '' }: CodeResponse): string =>
  sha256Base64url(JSON.stringify([state, code, iss]))

export function sealTransaction(sealer: Sealer, transaction: Transaction): string {
  // Without what is derived from the content, or from the id.
  const { id, startedAt, state, nonce, codeVerifier, ...content } = transaction
  return sealer.seal(JSON.stringify(content), id)
}

/** A transaction as the browser holds it; the id names the cookie. */
export interface SealedTransaction {
  id: string
  sealed: string
}

/**
 * Opens the sealed transaction of a state, whether it has expired or not.
 *
 * @throws AppError `login_transaction_missing`
 */
export function openTransaction(
  sealer: Sealer,
  { id, sealed }: SealedTransaction,
  state: string,
): Transaction {
  const text = sealer.open(sealed, id)
  if (text === undefined) throw missingTransaction('transaction cookie does not open')
  const { data: content } = transactionContent.safeParse(JSON.parse(text))
  if (content === undefined) throw missingTransaction('transaction has another format')
  const transaction = toTransaction(id, content)
  if (!isEqualInConstantTime(transaction.state, state)) throw missingTransaction('state is another one')
  return transaction
}

/** @throws AppError `login_transaction_expired` */
export function assertInTime({ startedAt }: Transaction, clock: Clock): void {
  if (clock.now() - startedAt <= transactionLifetime) return
  throw new AppError(
    'login_transaction_expired',
    'This sign-in was begun more than ten minutes ago. Please start again.',
  )
}

/**
 * Opens all transactions of a browser, and skips cookies that do not open. One that expired a moment ago
 * counts: its callback may be in progress.
 */
export function openTransactions(sealer: Sealer, cookies: readonly SealedTransaction[]): Transaction[] {
  return cookies.flatMap(({ id, sealed }) => {
    const text = sealer.open(sealed, id)
    const { data: content } = transactionContent.safeParse(text === undefined ? text : JSON.parse(text))
    return content === undefined ? [] : [toTransaction(id, content)]
  })
}

/** No login in this browser fits the response: a late reload, another browser, or an attack. */
export function missingTransaction(reason: string): AppError {
  return new AppError(
    'login_transaction_missing',
    'No sign-in with this state is in progress in this browser. Cookies may be blocked, or it was finished before. Please start again.',
    { reason },
  )
}

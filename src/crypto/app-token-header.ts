/** The algorithms with which Portico can sign app tokens (RFC 7518 3.1, RFC 8037 3.1). */
export const signingAlgs = ['ES256', 'EdDSA', 'RS256'] as const

export type SigningAlg = (typeof signingAlgs)[number]

/** The `typ` that app tokens can have: that of RFC 9068 2.1, or the one that older readers expect. */
export const appTokenTypes = ['at+jwt', 'JWT'] as const

export type AppTokenType = (typeof appTokenTypes)[number]

import { dpopAlgorithms } from '../app-token/dpop-proof.ts'
import type { AppTokenClaims } from './claims.ts'

/** The authentication schemes of app tokens. */
export type Scheme = 'Bearer' | 'DPoP'

/** The scheme in which a verified token came: one that is bound to a key comes with a proof only. */
export const schemeOf = ({ cnf }: AppTokenClaims): Scheme => (cnf?.jkt === undefined ? 'Bearer' : 'DPoP')

/**
 * A challenge with its parameters (RFC 9110 11.6.1); that of DPoP names the accepted algorithms (RFC 9449
 * 7.1).
 */
export function toChallenge(scheme: Scheme, parameters: Record<string, string> = {}): string {
  const all = { ...parameters, ...(scheme === 'DPoP' ? { algs: dpopAlgorithms.join(' ') } : {}) }
  const text = Object.entries(all).map(([name, value]) => `${name}="${value}"`)
  return `${scheme} ${text.join(', ')}`.trim()
}

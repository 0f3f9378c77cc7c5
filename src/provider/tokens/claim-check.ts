import type { JWTPayload } from 'jose'
import { toLogText } from '../../telemetry/events.ts'

/**
 * Compares the claims of a verified JWT with what is expected; returns what is wrong with them, or undefined.
 */
export type ClaimCheck<Expected> = (claims: JWTPayload, expected: Expected) => string | undefined

/** The first check that fails, and its problem; undefined where all pass. */
export function firstProblem<Expected>(
  checks: readonly ClaimCheck<Expected>[],
  claims: JWTPayload,
  expected: Expected,
): { check: ClaimCheck<Expected>; problem: string } | undefined {
  for (const check of checks) {
    const problem = check(claims, expected)
    if (problem !== undefined) return { check, problem }
  }
  return undefined
}

/** Any value of a claim, as the log may show it. */
export const quote = (value: unknown): string =>
  `"${toLogText(typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined'))}"`

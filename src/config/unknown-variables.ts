import { type Environment, toVariableNames } from './read-settings.ts'

/**
 * Variables that look like settings of Portico but are none: of one of its families of names, or misspelt.
 */
export function findUnknownVariables(env: Environment): string[] {
  const known = toVariableNames()
  const looksLikeOurs = (name: string) =>
    /^(APP_TOKEN|BFF|FORWARD_AUTH|OAUTH|OIDC|RATE_LIMIT|SESSION_COOKIE)(_|$)/.test(name) ||
    (name.length >= shortestGuessed && known.some((other) => isMisspelt(name, other)))
  return Object.keys(env).filter((name) => !known.includes(name) && looksLikeOurs(name))
}

/** Shorter names, such as PORT, are too similar to those of other programs. */
const shortestGuessed = 8

/** Whether a name is at most two letters away from a known one (Levenshtein distance). */
function isMisspelt(name: string, known: string): boolean {
  if (Math.abs(name.length - known.length) > 2) return false
  let row = Array.from({ length: known.length + 1 }, (_, index) => index)
  for (const [line, letter] of [...name].entries()) {
    let left = line + 1
    const next = [left]
    for (const [column, other] of [...known].entries()) {
      const above = row[column + 1] ?? 0
      const diagonal = (row[column] ?? 0) + (letter === other ? 0 : 1)
      left = Math.min(left + 1, above + 1, diagonal)
      next.push(left)
    }
    // No letter that follows takes a difference away again.
    if (Math.min(...next) > 2) return false
    row = next
  }
  return (row.at(-1) ?? 0) <= 2
}

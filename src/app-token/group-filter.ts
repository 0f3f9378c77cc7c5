/** Whether the app token may name a group. */
export type IsGroupAllowed = (group: unknown) => boolean

/** Creates the check by APP_TOKEN_GROUPS: what is no text is no name of a group, and no pattern fits it. */
export function createGroupFilter(patterns: readonly string[]): IsGroupAllowed {
  const fits = patterns.map(createMatcher)
  return (group) => typeof group === 'string' && fits.some((isFit) => isFit(group))
}

/**
 * Creates the match of one pattern against whole names, by case. What stands between two `*` is looked for from left to
 * right, and each piece only behind the one before it: the first place is as good as any later one, so that nothing is
 * tried twice and the time is linear in the name, however many `*` there are.
 */
function createMatcher(pattern: string): (name: string) => boolean {
  const [head = '', ...rest] = pattern.split('*')
  const tail = rest.pop()
  if (tail === undefined) return (name) => name === pattern
  return (name) => {
    if (!name.startsWith(head) || !name.endsWith(tail)) return false
    const end = name.length - tail.length
    let from = head.length
    for (const piece of rest) {
      const found = name.indexOf(piece, from)
      if (found === -1) return false
      from = found + piece.length
    }
    // Neither they nor the head may reach into the tail: `ab*ba` is not `aba`.
    return from <= end
  }
}

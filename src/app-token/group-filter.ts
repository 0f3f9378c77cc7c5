/** Whether the app token may name a group. */
export type IsGroupAllowed = (group: unknown) => boolean

/** Creates the check against the patterns of APP_TOKEN_GROUPS. A value that is no text matches no pattern. */
export function createGroupFilter(patterns: readonly string[]): IsGroupAllowed {
  const matchers = patterns.map(createMatcher)
  return (group) => typeof group === 'string' && matchers.some((matches) => matches(group))
}

/**
 * Creates the match of one pattern, in which `*` stands for any text, against whole names, case-sensitive.
 * The pieces between the `*` are searched from left to right, each one after the end of the one before. The
 * first match of a piece is as good as any later one, so that nothing is tried twice, and the time is linear
 * in the length of the name.
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
    // The pieces and the head must not overlap the tail: `ab*ba` does not match `aba`.
    return from <= end
  }
}

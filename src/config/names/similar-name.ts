/** The known name that differs by at most two letters; undefined where none is so similar. */
export function findSimilarName(name: string, known: readonly string[]): string | undefined {
  const [nearest] = known
    .map((other) => ({ other, distance: measureDistance(name, other) }))
    .sort((a, b) => a.distance - b.distance)
  if (nearest === undefined || nearest.distance > 2) return undefined
  // Half of a short name is another name.
  return nearest.distance * 2 < nearest.other.length ? nearest.other : undefined
}

/** How many letters to add, drop or replace to make one of the other (Levenshtein distance), 3 at most. */
function measureDistance(name: string, other: string): number {
  if (Math.abs(name.length - other.length) > 2) return 3
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (const [line, letter] of [...name].entries()) {
    const next = [line + 1]
    for (const [column, compared] of [...other].entries()) {
      const above = row[column + 1] ?? 0
      const diagonal = (row[column] ?? 0) + (letter === compared ? 0 : 1)
      next.push(Math.min((next[column] ?? 0) + 1, above + 1, diagonal))
    }
    row = next
  }
  return Math.min(row.at(-1) ?? 3, 3)
}

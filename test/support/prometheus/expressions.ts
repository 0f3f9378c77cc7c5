/** A metric as an expression uses it, with the labels that the expression expects of it. */
export interface Use {
  metric: string
  labels: readonly string[]
}

const metricPattern = /\b((?:portico|nodejs|process)_\w+)(?:\{([^}]*)\})?/g
const groupingPattern = /\bby\s*\(([^)]*)\)/g
const matcherPattern = /(\w+)\s*(?:=~|!~|!=|=)\s*"/g

/** Labels that Prometheus adds, and the bounds of a histogram. */
const others = new Set(['job', 'instance', 'le'])

/** The metrics in a PromQL expression, each with its matchers' labels and those that it is grouped by. */
export function readUses(expression: string): Use[] {
  return [...expression.matchAll(metricPattern)].map(({ 1: metric = '', 2: matchers = '', index }) => {
    const matched = [...matchers.matchAll(matcherPattern)].map(([, label = '']) => label)
    // The grouping of an aggregation stands before what it aggregates.
    const [, grouping = ''] = [...expression.slice(0, index).matchAll(groupingPattern)].at(-1) ?? []
    const labels = new Set([...matched, ...grouping.split(/[\s,]+/)])
    return { metric, labels: [...labels].filter((label) => label !== '' && !others.has(label)) }
  })
}

/**
 * Makes the rules faster: the times over which they look by the factor `looks`, and those that an alert waits
 * by `waits`. None becomes shorter than a second.
 */
export function accelerate(rules: string, { looks, waits }: { looks: number; waits: number }): string {
  const divide = (minutes: string, factor: number) => Math.max(1, Math.round((Number(minutes) * 60) / factor))
  return rules
    .replaceAll(/\[(\d+)m\]/g, (_all, minutes: string) => `[${divide(minutes, looks)}s]`)
    .replaceAll(/\bfor: (\d+)m\b/g, (_all, minutes: string) => `for: ${divide(minutes, waits)}s`)
}

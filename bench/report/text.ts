import { readFileSync, writeFileSync } from 'node:fs'
import type { Spread } from '../measure.ts'

/** A table in Markdown; all columns but the first are numbers. */
export function toTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map((_, index) => (index === 0 ? '---' : '---:')), ...rows]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** Number with as many digits as can be read at once. */
export const toDigits = (value: number): string =>
  value >= 1_000
    ? Math.round(value).toLocaleString('en')
    : value.toFixed(value >= 100 ? 0 : value >= 1 ? 1 : value >= 0.1 ? 2 : 3)

/** The middle value, with the lowest and the highest in brackets. */
export const withSpread = ({ median, low, high }: Spread, toText: (value: number) => string): string =>
  `${toText(median)} (${toText(low)} to ${toText(high)})`

/** Replaces what is between the markers of a document by `text`, which a measurement wrote. */
export function replaceMeasured(file: string, name: string, text: string): void {
  const [begin, end] = [`<!-- measured: ${name} -->`, `<!-- end: ${name} -->`]
  const before = readFileSync(file, 'utf8')
  const [from, to] = [before.indexOf(begin), before.indexOf(end)]
  if (from === -1 || to < from) throw new Error(`${file} has no place for "${name}"`)
  writeFileSync(file, `${before.slice(0, from + begin.length)}\n\n${text}\n\n${before.slice(to)}`)
}

/** Writes results as JSON; more digits than these would only be noise. */
export function writeJson(file: string, results: unknown): void {
  const round = (_key: string, value: unknown) =>
    typeof value === 'number' ? Number(value.toPrecision(4)) : value
  writeFileSync(file, `${JSON.stringify(results, round, 2)}\n`)
}

import { stripVTControlCharacters } from 'node:util'
import { type LogFields, levels, toLogText } from '../telemetry/events.ts'
import type { LoggedEvent } from './logged-event.ts'

/**
 * What one line of a log is: an event of Portico, one that was written for people to read
 * (`LOG_FORMAT=pretty`), or a line of another program.
 */
export type LogLine = LoggedEvent | 'pretty' | 'foreign'

/** Characters that a line may have; a longer one is none of Portico's. */
const longestLine = 1_000_000

/** Reads the lines of a log one after the other. Of a text of any length, only one line is in memory. */
export async function* readLog(input: AsyncIterable<string>): AsyncGenerator<LogLine> {
  let rest = ''
  for await (const chunk of input) {
    const lines = (rest + chunk).split('\n')
    rest = (lines.pop() ?? '').slice(0, longestLine)
    for (const line of lines) yield readLine(line)
  }
  if (rest !== '') yield readLine(rest)
}

/**
 * Reads one line. What a container runtime writes before the JSON is skipped, and an event that a collector
 * has put into a record of its own is taken out of it.
 */
export function readLine(line: string): LogLine {
  const record = parseObject(line.slice(Math.max(0, line.indexOf('{'))))
  const found = record && (toEvent(record) ?? unwrap(record))
  if (found !== undefined) return found
  return isPretty(line) ? 'pretty' : 'foreign'
}

/** Whether a line has a level in capitals, and the name of an event somewhere behind it. */
function isPretty(line: string): boolean {
  const words = stripVTControlCharacters(line).split(/\W+/)
  const level = words.findIndex((word) => prettyLevels.has(word))
  return level !== -1 && words.slice(level + 1).some((word) => Object.hasOwn(levels, word))
}

const prettyLevels: ReadonlySet<string> = new Set(['DEBUG', 'INFO', 'WARN', 'ERROR'])

/** Where Docker, Fluent Bit, systemd and others keep the line that they collected. */
const wrappers = ['log', 'message', 'MESSAGE', 'msg', 'line']

function unwrap(record: Record<string, unknown>): LoggedEvent | undefined {
  for (const name of wrappers) {
    const wrapped = record[name]
    const inner = typeof wrapped === 'string' ? parseObject(wrapped.slice(wrapped.indexOf('{'))) : wrapped
    const event = isRecord(inner) ? toEvent(inner) : undefined
    if (event !== undefined) return event
  }
  return undefined
}

function toEvent({ event, time, ...others }: Record<string, unknown>): LoggedEvent | undefined {
  if (typeof event !== 'string' || !Object.hasOwn(levels, event)) return undefined
  const at = new Date(typeof time === 'string' || typeof time === 'number' ? time : Number.NaN)
  if (Number.isNaN(at.getTime())) return undefined
  return { ...toFields(others), event: event as LoggedEvent['event'], time: at.toISOString() }
}

/** The fields that an event can have. Texts are made safe again: a log may come from anywhere. */
function toFields(record: Record<string, unknown>): LogFields {
  const fields: Record<string, string | number | boolean | string[]> = {}
  for (const [name, value] of Object.entries(record)) {
    if (typeof value === 'string') fields[name] = toLogText(value)
    else if (typeof value === 'number' || typeof value === 'boolean') fields[name] = value
    else if (Array.isArray(value)) fields[name] = value.map((item) => toLogText(String(item)))
  }
  return fields
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

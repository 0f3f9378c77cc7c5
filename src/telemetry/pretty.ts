import pretty from 'pino-pretty'
import type { LineWriter } from './standard-output.ts'

/** What a human compares and does not read: at the end of the line, and dim. */
const ids: ReadonlySet<string> = new Set(
  'request_id trace_id login session sub successor address worker'.split(' '),
)

/** What each line shows before its fields. */
const shownFirst: ReadonlySet<string> = new Set(['level', 'time', 'event'])

/** More fields than this have a line each. */
const mostOnOneLine = 10

type Colors = Record<'dim' | 'bold', (text: string) => string>

/**
 * Returns what writes JSON lines for a human: time, level, event and fields, in color at a terminal that has
 * some (NO_COLOR turns it off).
 */
export function toPrettyWriter(out: NodeJS.WriteStream = process.stdout): LineWriter['write'] {
  const toPretty = pretty.prettyFactory({
    colorize: out.isTTY && out.hasColors(),
    translateTime: 'SYS:HH:MM:ss.l',
    hideObject: true,
    messageKey: 'event',
    // Those of levels are pino-pretty's own; by default, the whole line would have a color as well.
    customColors: { debug: 'blue', info: 'green', warn: 'yellow', error: 'red', message: 'reset' },
    messageFormat: (line, _messageKey, _level, { colors }) => toText(line, colors as unknown as Colors),
  })
  // As in `standard-output.ts`.
  out.on('error', () => {})
  return (line) => void out.write(toPretty(line))
}

function toText(line: Record<string, unknown>, { dim, bold }: Colors): string {
  const entries = Object.entries(line).filter(([name]) => !shownFirst.has(name))
  const fields = entries.filter(([name]) => !ids.has(name))
  const shown = fields.map(([name, value]) => `${dim(`${name}=`)}${toValue(value)}`)
  const named = entries
    .filter(([name]) => ids.has(name))
    .map(([name, value]) => dim(`${name}=${toValue(value)}`))
  const isLong = fields.length > mostOnOneLine || fields.some(([, value]) => isList(value))
  const event = String(line.event)
  return isLong
    ? [[bold(event), ...named].join(' '), ...shown].join('\n    ')
    : [bold(event.padEnd(eventWidth)), ...shown, ...named].join(' ')
}

/** Characters for the name of an event, so that the fields of most lines begin in one column. */
const eventWidth = 20

/** A list that is too long for a line, such as the frames of a defect. */
const isList = (value: unknown) => Array.isArray(value) && value.length > 4

function toValue(value: unknown): string {
  if (Array.isArray(value))
    return value.length === 0 ? '[]' : value.map(toValue).join(isList(value) ? '\n      ' : ',')
  const text = String(value)
  return text === '' || /[\s"=\p{C}]/u.test(text) ? quote(text) : text
}

/**
 * A text in quotes, without characters that do not show: a provider may send some that a terminal obeys, and
 * JSON leaves a part of them as they are.
 */
const quote = (text: string) =>
  JSON.stringify(text).replace(/\p{C}/gu, (hidden) => `\\u{${hidden.codePointAt(0)?.toString(16)}}`)

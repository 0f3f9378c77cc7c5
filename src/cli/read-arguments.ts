import { parseArgs } from 'node:util'
import { findSimilarName } from '../config/names/similar-name.ts'
import type { Command } from './command.ts'
import { commands } from './commands.ts'
import { WrongUse } from './wrong-use.ts'

/** A command with what it is given. */
export interface Call {
  kind: 'run'
  command: Command
  argument: string
  options: ReadonlySet<string>
}

/** What a command line asks for; help without a command is about all of them. */
export type CommandLine = Call | { kind: 'help'; command: Command | undefined } | { kind: 'version' }

/** The options that every command has. */
const common = { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean', short: 'v' } } as const

/**
 * Reads the arguments behind the name of the program.
 *
 * @throws {WrongUse} where no command accepts them
 */
export function readArguments(args: string[]): CommandLine {
  // Not strict: its errors are written for developers. `checkOptions` finds what is unknown.
  const settings = { options: common, strict: false, allowPositionals: true, tokens: true } as const
  const { positionals, tokens } = parseArgs({ args, ...settings })
  const options = tokens.filter((token) => token.kind === 'option')
  const has = (name: string) => options.some((option) => option.name === name)
  const [name, ...rest] = positionals
  if (name === 'help' || has('help')) {
    const topic = name === 'help' ? rest[0] : name
    return { kind: 'help', command: topic === undefined ? undefined : findCommand(topic) }
  }
  if (has('version')) return { kind: 'version' }
  const command = findCommand(name ?? 'serve')
  checkOptions(options, command, name !== undefined)
  const argument = readArgument(rest, command)
  return { kind: 'run', command, argument, options: new Set(options.map((option) => option.name)) }
}

interface Option {
  name: string
  /** The option as it was written, with its dashes. */
  rawName: string
  value?: string | undefined
}

function checkOptions(given: Option[], command: Command, isNamed: boolean): void {
  const { options: own = [] } = command
  for (const { name, rawName, value } of given) {
    if (!own.includes(name)) {
      const message = `Unknown option: ${rawName}.`
      const hint = toHint(name, [...own, ...Object.keys(common)], '--')
      throw new WrongUse(message + hint, isNamed ? command : undefined)
    }
    if (value !== undefined) throw new WrongUse(`The option ${rawName} takes no value.`, command)
  }
}

/** Arguments are not repeated: one may be a secret in the wrong place, and logs keep what is printed. */
function readArgument([argument = '', ...surplus]: string[], command: Command): string {
  const { name, argument: needed } = command
  if (needed === undefined && argument !== '') throw new WrongUse(`${name} takes no argument.`, command)
  if (needed !== undefined && argument === '') throw new WrongUse(`${name} needs ${needed}.`, command)
  if (surplus.length > 0) throw new WrongUse(`${name} takes one argument.`, command)
  return argument
}

function findCommand(name: string): Command {
  const found = commands.find((command) => command.name === name)
  if (found !== undefined) return found
  const names = [...commands.map((command) => command.name), 'help']
  const [word = '', value] = name.split('=', 2)
  const hint = value === undefined ? toHint(name, names) : ' Settings are environment variables.'
  throw new WrongUse(`Unknown command: ${word}.${hint}`)
}

function toHint(name: string, known: string[], dashes = ''): string {
  const similar = findSimilarName(name, known)
  return similar === undefined ? '' : ` Did you mean ${dashes}${similar}?`
}

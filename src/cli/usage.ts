import type { Command } from './command.ts'
import { commands } from './commands.ts'

/** The program's name in package.json. */
const program = 'portico-bff'

const toCall = ({ name, parameters }: Command) => (parameters === undefined ? name : `${name} ${parameters}`)

/** What the program can do: for --help, and for a command that does not exist. */
export function renderOverview(): string {
  const rows = commands.map((command) => `  ${toCall(command).padEnd(16)} ${command.summary}`)
  return `Usage: ${program} [command]

Commands:
${rows.join('\n')}
  help [command]   say more about a command, as \`${program} [command] --help\` does

Options:
  -h, --help       print this help
  -v, --version    print the version
`
}

/** All about one command: for its --help. */
export const renderHelp = (command: Command): string =>
  `Usage: ${program} ${toCall(command)}\n\n${command.help}\n`

/** How a command that was used wrongly is called. */
export const renderUsage = (command: Command): string =>
  `Usage: ${program} ${toCall(command)}\n\`${program} ${command.name} --help\` says more.\n`

import cluster from 'node:cluster'
import { readVersion } from '../telemetry/version.ts'
import type { Command } from './command.ts'
import { exitCodes } from './exit-codes.ts'
import { type Call, readArguments } from './read-arguments.ts'
import { renderHelp, renderOverview, renderUsage } from './usage.ts'
import { WrongUse } from './wrong-use.ts'

/** Does what the arguments behind the name of the program ask for, and sets the exit code. */
export async function runCommandLine(args: string[]): Promise<void> {
  try {
    const request = readArguments(args)
    if (request.kind === 'version') process.stdout.write(`${readVersion()}\n`)
    else if (request.kind === 'help') process.stdout.write(toHelp(request.command))
    else await runCommand(request)
  } catch (error) {
    if (error instanceof WrongUse) reportWrongUse(error)
    else await reportFailure(error)
  }
}

const toHelp = (command: Command | undefined) =>
  command === undefined ? renderOverview() : renderHelp(command)

async function runCommand({ command, argument, options }: Call): Promise<void> {
  const { run } = await command.load()
  try {
    await run(argument, options)
  } catch (error) {
    throw error instanceof WrongUse ? new WrongUse(error.message, command) : error
  }
}

/** What is wrong comes first: the usage below it is long. */
function reportWrongUse({ message, command }: WrongUse): void {
  const usage = command === undefined ? renderOverview() : renderUsage(command)
  process.stderr.write(`${message}\n\n${usage}`)
  process.exitCode = exitCodes.usage
}

/** Says why the process ends. */
async function reportFailure(error: unknown): Promise<void> {
  // The process cannot end while it is connected with the primary.
  cluster.worker?.disconnect()
  const { ConfigError } = await import('../config/config-error.ts')
  if (error instanceof ConfigError) {
    const { hasUnreadFile } = await import('../config/environment.ts')
    const note = hasUnreadFile() ? 'With NODE_ENV=production, the file .env here is not read.\n' : ''
    process.stderr.write(`${error.message}\n${note}`)
    process.exitCode = exitCodes.config
    return
  }
  const message = error instanceof Error ? error.message : 'unknown error'
  process.stderr.write(`Portico cannot start: ${message}.${toHint(error)}\n`)
  process.exitCode = 1
}

/** What to do about an error that the operating system reports. */
function toHint(error: unknown): string {
  if (!(error instanceof Error)) return ''
  if ('code' in error && error.code === 'EADDRINUSE') {
    return ' Choose another PORT (or OPERATOR_PORT), or stop the program that uses it.'
  }
  const isForeignAddress = /ENOTFOUND|EADDRNOTAVAIL/.test(error.message)
  return isForeignAddress ? ' HOST must be an address of this machine, such as 0.0.0.0.' : ''
}

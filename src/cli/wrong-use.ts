import type { Command } from './command.ts'

/** A command line that no command accepts; the message says what is wrong with it, in whole sentences. */
export class WrongUse extends Error {
  override readonly name = 'WrongUse'
  /** The command that was meant, where that is known. */
  readonly command: Command | undefined

  constructor(message: string, command?: Command) {
    super(message)
    this.command = command
  }
}

/** A command: what its help says, and the module that runs it. */
export interface Command {
  name: string
  /** The arguments behind its name, for the usage. */
  parameters?: string
  /** What it does, in the list of all commands. */
  summary: string
  /** What its own help says below the usage. */
  help: string
  /** The one argument that it needs, with its article: `an id`; undefined: it takes none. */
  argument?: string
  /** The names of its options, without dashes; none of them has a value. */
  options?: readonly string[]
  /** Loads the module, which is not needed for help: that of the server takes half a second. */
  load(): Promise<{ run: Run }>
}

/** Runs a command with its argument (an empty text where it takes none) and the options that were given. */
export type Run = (argument: string, options: ReadonlySet<string>) => void | Promise<void>

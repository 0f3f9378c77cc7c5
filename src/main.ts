#!/usr/bin/env node

// The entry of the command line. On a Node that is too old, libraries fail as soon as they are loaded:
// nothing here imports one, and `cli/cli.ts` is loaded only after the check.
import { exitCodes } from './cli/exit-codes.ts'
import { findNodeProblem } from './cli/node-version.ts'

const problem = findNodeProblem(process.versions.node)
if (problem === undefined) {
  const { runCommandLine } = await import('./cli/cli.ts')
  await runCommandLine(process.argv.slice(2))
} else {
  process.stderr.write(`${problem}\n`)
  process.exitCode = exitCodes.config
}

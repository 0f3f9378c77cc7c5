import { createHash } from 'node:crypto'
import type { RedisConnection } from '../connection/connection.ts'
import type { ScriptClient } from '../connection/deployment.ts'
import * as indexScripts from './index-scripts.ts'
import * as sessionScripts from './session-scripts.ts'
import * as sharedScripts from './shared-scripts.ts'

type Run = (script: string, keys: string[], ...args: (string | number | Buffer)[]) => Promise<unknown>

/** Runs one of the Lua scripts and returns Redis's answer. */
export interface RunScript extends Run {
  /** The same, with bytes for the texts in the answer. */
  binary: Run
}

/** Creates the runner of scripts over a connection. */
export function createScriptRunner(connection: RedisConnection): RunScript {
  const run: Run = (script, keys, ...args) =>
    connection.run(names.get(script) ?? '', (client) => runScript(client, script, toOptions(keys, args)))
  const binary: Run = (script, keys, ...args) =>
    connection.run(names.get(script) ?? '', (_client, binaryClient) =>
      runScript(binaryClient, script, toOptions(keys, args)),
    )
  return Object.assign(run, { binary })
}

const toOptions = (keys: string[], args: (string | number | Buffer)[]) => ({
  keys,
  arguments: args.map((arg) => (typeof arg === 'number' ? String(arg) : arg)),
})

/** Runs a script by its hash, or by its text if Redis does not know the hash yet or any more. */
async function runScript(
  client: ScriptClient,
  script: string,
  options: Parameters<ScriptClient['eval']>[1],
): Promise<unknown> {
  try {
    return await client.evalSha(hashes.get(script) ?? '', options)
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
    return client.eval(script, options)
  }
}

const scripts = [sessionScripts, indexScripts, sharedScripts].flatMap((module): [string, string][] =>
  Object.entries(module),
)

/** SHA-1 of each script: the name by which Redis caches it. */
const hashes = new Map(scripts.map(([, script]) => [script, createHash('sha1').update(script).digest('hex')]))

/** What metrics call each script: the name of `touchScript` is `touch`. */
const names = new Map(scripts.map(([name, script]) => [script, name.replace(/Script$/, '')]))

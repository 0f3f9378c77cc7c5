import { createHash } from 'node:crypto'
import type { RedisConnection } from './connection/connection.ts'
import type { RedisClient } from './connection/deployment.ts'
import * as scripts from './scripts.ts'

/** Runs one of the Lua scripts and returns Redis's answer. */
export type RunScript = (script: string, keys: string[], ...args: (string | number)[]) => Promise<unknown>

/** Creates the runner of scripts over a connection. */
export const createScriptRunner =
  (connection: RedisConnection): RunScript =>
  (script, keys, ...args) =>
    connection.run((client) => runScript(client, script, { keys, arguments: args.map(String) }))

/** Runs a script by its hash, or by its text if Redis does not know the hash yet or any more. */
async function runScript(
  client: RedisClient,
  script: string,
  options: { keys: string[]; arguments: string[] },
): Promise<unknown> {
  try {
    return await client.evalSha(hashes.get(script) ?? '', options)
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
    return client.eval(script, options)
  }
}

/** SHA-1 of each script: the name by which Redis caches it. */
const hashes = new Map(
  Object.values(scripts).map((script) => [script, createHash('sha1').update(script).digest('hex')]),
)

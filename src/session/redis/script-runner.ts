import { createHash } from 'node:crypto'
import type { RedisClient } from './deployment.ts'
import * as scripts from './scripts.ts'

const shas = new Map(
  Object.values(scripts).map((script) => [script, createHash('sha1').update(script).digest('hex')]),
)

/** Runs a script by its hash; where Redis does not know it yet, or no longer, by its text. */
export async function runScript(
  client: RedisClient,
  script: string,
  keys: string[],
  args: (string | number)[],
): Promise<unknown> {
  const options = { keys, arguments: args.map(String) }
  try {
    return await client.evalSha(shas.get(script) ?? '', options)
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
    return client.eval(script, options)
  }
}

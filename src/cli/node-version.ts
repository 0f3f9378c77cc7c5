import { readEngines } from '../telemetry/version.ts'

/**
 * Says that a version of Node is older than the range of package.json's `engines` asks for; undefined: it is
 * not. This module and what it imports run on the old Node as well: they use only what Node 16 has.
 */
export function findNodeProblem(current: string, range: string = readEngines().node): string | undefined {
  const needed = range.replace('>=', '')
  const [have, need] = [toNumbers(current), toNumbers(needed)]
  const isOld = have[0] === need[0] ? (have[1] ?? 0) < (need[1] ?? 0) : (have[0] ?? 0) < (need[0] ?? 0)
  return isOld ? `Portico needs Node ${needed} or newer; this is ${current}.` : undefined
}

const toNumbers = (version: string) => version.split('.').map(Number)

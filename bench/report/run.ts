import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { root } from '../../test/support/processes/start-process.ts'

/** When, where and of what something was measured. */
export interface Run {
  date: string
  commit: string
  machine: string
  node: string
}

/** Describes this run; names no host. */
export function describeRun(): Run {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim()
  const [first, ...others] = cpus()
  const isChanged = git('status', '--porcelain', '--', 'src', 'package-lock.json') !== ''
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: `${git('rev-parse', '--short', 'HEAD')}${isChanged ? ' with changes' : ''}`,
    machine: `${first?.model.trim()}, ${others.length + 1} cores`,
    node: process.version,
  }
}

/** The same in one sentence. */
export const toSentence = ({ date, commit, machine, node }: Run): string =>
  `Measured on ${date} at commit ${commit}, on ${machine}, Node ${node}.`

/** The versions of what is compared, as their package.json names them. */
export function listVersions(): string {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'bench/peers/package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const named = Object.entries(dependencies).map(([name, version]) => `${name} ${version}`)
  return `Compared with ${named.join(', ')}.`
}

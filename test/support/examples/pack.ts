import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import manifest from '../../../package.json' with { type: 'json' }
import { root } from '../processes/start-process.ts'

const folder = join(root, 'test/output')

/** This package as npm publishes it. */
export const tarball = join(folder, `${manifest.name}-${manifest.version}.tgz`)

/** Runs a command to its end. If it fails, the error has what it printed. */
export function run(command: string, args: string[], cwd: string): void {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`)
}

export const npm = (args: string[], cwd: string) => run('npm', args, cwd)

/** Builds and packs this package, once for all test files: a build begins by emptying dist/. */
export default function setUp(): void {
  mkdirSync(folder, { recursive: true })
  npm(['pack', '--pack-destination', folder], root)
}

import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import manifest from '../../../package.json' with { type: 'json' }
import { root } from '../processes/start-process.ts'

const folder = join(root, 'test/output')

/** This package as npm publishes it. */
export const tarball = join(folder, `${manifest.name}-${manifest.version}.tgz`)

/** Runs npm, and shows what it printed if it fails. */
export function npm(args: string[], cwd: string): void {
  execFileSync('npm', args, { cwd, stdio: 'pipe', encoding: 'utf8' })
}

/** Builds and packs this package, once for all test files: a build begins by emptying dist/. */
export default function setUp(): void {
  mkdirSync(folder, { recursive: true })
  npm(['pack', '--pack-destination', folder], root)
}

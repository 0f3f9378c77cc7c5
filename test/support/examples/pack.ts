import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../processes/start-process.ts'

const output = join(root, 'test/output')

/** A package.json, as far as tests read it. */
export interface Manifest {
  name: string
  version: string
  repository: { url: string; directory?: string }
  bin?: Record<string, string>
  exports: Record<string, string | { types: string; default: string }>
  files: string[]
  dependencies: Record<string, string>
}

/** A package of this tree, as npm publishes it. */
export interface PackedPackage {
  manifest: Manifest
  tarball: string
}

function describe(folder: string): PackedPackage {
  const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest
  const name = manifest.name.replace('@', '').replace('/', '-')
  return { manifest, tarball: join(output, `${name}-${manifest.version}.tgz`) }
}

export const packages = {
  server: describe('.'),
  verify: describe('packages/verify'),
  client: describe('packages/client'),
  react: describe('packages/react'),
}

/** Runs a command to its end; returns what it printed. If it fails, the error has that. */
export function run(command: string, args: string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`)
  return stdout
}

export const npm = (args: string[], cwd: string) => run('npm', args, cwd)

/** Installs packages in a folder, while others do the same elsewhere. */
export async function install(names: string[], cwd: string): Promise<void> {
  await promisify(execFile)('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...names], {
    cwd,
  })
}

/** Builds and packs all packages, once for all test files: a build begins by emptying dist/. */
export default function setUp(): void {
  mkdirSync(output, { recursive: true })
  npm(['pack', '--workspaces', '--include-workspace-root', '--pack-destination', output], root)
}

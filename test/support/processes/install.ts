import { execFileSync, spawnSync } from 'node:child_process'

/**
 * Finds a program that tests need, or installs Debian's packages and prints that; tests are never skipped for
 * it.
 */
export function ensureInstalled(program: string, versionFlag: string, packages = [program]): void {
  if (spawnSync(program, [versionFlag]).status === 0) return
  const canInstall = process.getuid?.() === 0 && spawnSync('apt-get', ['--version']).status === 0
  if (!canInstall) throw new Error(`These tests need ${program} on the PATH: install it.`)
  process.stdout.write(`${program} is not installed; installing it with apt-get for these tests.\n`)
  const options = { stdio: 'inherit', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const
  execFileSync('apt-get', ['update', '-qq'], options)
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], options)
}

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../processes/start-process.ts'

const folder = join(root, 'node_modules/.cache/prometheus')

/** The programs of Prometheus: its server, and the tool that checks rules. */
export interface PrometheusPrograms {
  prometheus: string
  promtool: string
}

/**
 * Finds Prometheus, or unpacks Debian's package and prints that. It is not installed: that would start a
 * service which no test needs.
 */
export function ensurePrometheus(): PrometheusPrograms {
  const isInstalled = ['prometheus', 'promtool'].every((name) => spawnSync(name, ['--version']).status === 0)
  if (isInstalled) return { prometheus: 'prometheus', promtool: 'promtool' }
  const programs = join(folder, 'usr/bin')
  if (!existsSync(join(programs, 'promtool'))) unpackFromDebian()
  return { prometheus: join(programs, 'prometheus'), promtool: join(programs, 'promtool') }
}

function unpackFromDebian(): void {
  const canFetch = process.getuid?.() === 0 && spawnSync('apt-get', ['--version']).status === 0
  if (!canFetch) throw new Error('These tests need prometheus and promtool on the PATH: install them.')
  process.stdout.write('prometheus is not installed; fetching it with apt-get for these tests.\n')
  mkdirSync(folder, { recursive: true })
  const options = { stdio: 'inherit', cwd: folder } as const
  execFileSync('apt-get', ['update', '-qq'], options)
  execFileSync('apt-get', ['download', '-qq', 'prometheus'], options)
  execFileSync('sh', ['-c', 'dpkg-deb -x prometheus_*.deb .'], options)
}

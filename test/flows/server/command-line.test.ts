import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { compileCache, root } from '../../support/processes/start-process.ts'

interface RunOptions {
  nodeOptions?: string[]
  cwd?: string
  env?: Record<string, string>
}

/** Runs the program as a user does. */
function run(args: string[], { nodeOptions = [], ...options }: RunOptions = {}) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...nodeOptions, join(root, 'src/main.ts'), ...args],
    { env: compileCache, encoding: 'utf8', ...options },
  )
  return { status, stdout, stderr }
}

describe('the command line', () => {
  test('--version prints that of package.json', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
    expect(run(['--version'])).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' })
  })

  test.each([
    [['--help'], 'Usage: portico-bff [command]\n'],
    [['doctor', '--help'], 'Usage: portico-bff doctor [--json]\n'],
  ])('%j prints help to standard output', (args, first) => {
    const { status, stdout, stderr } = run(args)
    expect([status, stdout, stderr]).toEqual([0, expect.stringContaining(first), ''])
  })

  test.each([
    [['docotr'], 'Unknown command: docotr. Did you mean doctor?\n\nUsage: portico-bff [command]\n'],
    [
      ['client', 'two words'],
      'The id may have letters, digits and . _ ~ - only, at most 100.\n\nUsage: portico-bff client <id>\n',
    ],
  ])('%j is refused: what is wrong, then the usage, on standard error', (args, beginning) => {
    const { status, stdout, stderr } = run(args)
    expect([status, stdout, stderr.slice(0, beginning.length)]).toEqual([64, '', beginning])
  })

  test('a Node that is too old gets one plain line, whatever was asked', () => {
    const older = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })`
    const nodeOptions = ['--import', `data:text/javascript,${encodeURIComponent(older)}`]
    expect(run(['--help'], { nodeOptions })).toEqual({
      status: 78,
      stdout: '',
      stderr: expect.stringMatching(/^Portico needs Node [\d.]+ or newer; this is 20\.20\.2\.\n$/),
    })
  })

  test('a wrong configuration beside an .env file that production does not read: says so', () => {
    const cwd = mkdtempSync(join(tmpdir(), 'portico-env-'))
    writeFileSync(join(cwd, '.env'), 'PUBLIC_URL=http://localhost:3000\n')
    const read = run(['serve'], { cwd })
    const unread = run(['serve'], { cwd, env: { ...compileCache, NODE_ENV: 'production' } })
    rmSync(cwd, { recursive: true })
    expect([read.status, unread.status]).toEqual([78, 78])
    expect(read.stderr).not.toMatch(/PUBLIC_URL is required|\.env here/)
    expect(unread.stderr).toMatch(/PUBLIC_URL is required.*the file \.env here is not read\.\n$/s)
  })
})

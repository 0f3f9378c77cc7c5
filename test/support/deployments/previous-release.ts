import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '../processes/start-process.ts'

/**
 * The commit that stands for the previous release until the repository has a tag: the last one before metrics,
 * traces and the operator's page.
 */
const beforeTheFirstTag = '7f949799868c5d7b7344b7577089f4942ce48951'

/** A release out of this repository's history, in a folder of its own. */
export interface PreviousRelease {
  /** Its root. */
  tree: string
  remove(): void
}

const git = (...args: string[]) => spawnSync('git', ['-C', root, ...args], { encoding: 'utf8' })

/** The last tag before the commit that is checked out: a tagged commit is compared with the release before. */
function findPreviousRelease(): string {
  const { status, stdout } = git('describe', '--tags', '--abbrev=0', '--match', 'v[0-9]*', 'HEAD^')
  return status === 0 ? stdout.trim() : beforeTheFirstTag
}

/** Unpacks the previous release so that its server can be started. Fails where the history lacks it. */
export function unpackPreviousRelease(): PreviousRelease {
  const name = findPreviousRelease()
  if (git('cat-file', '-e', `${name}^{commit}`).status !== 0) {
    throw new Error(
      `This test needs ${name}, which this clone lacks: run "git fetch --unshallow --tags", or clone it whole.`,
    )
  }
  const tree = mkdtempSync(join(tmpdir(), 'portico-previous-'))
  const files = ['src', 'package.json', 'package-lock.json']
  const archive = execFileSync('git', ['-C', root, 'archive', name, ...files], { maxBuffer: 2 ** 28 })
  execFileSync('tar', ['-x', '-C', tree], { input: archive })
  if (hasItsDependencies(tree)) symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'))
  else
    execFileSync('npm', ['ci', '--omit=dev', '--no-workspaces', '--ignore-scripts'], {
      cwd: tree,
      stdio: 'inherit',
    })
  return { tree, remove: () => rmSync(tree, { recursive: true, force: true }) }
}

/** Whether every dependency of a release is installed here in the version that it asks for. */
function hasItsDependencies(tree: string): boolean {
  const { dependencies } = readPackage(tree)
  return Object.entries(dependencies ?? {}).every(([name, version]) => {
    try {
      return readPackage(join(root, 'node_modules', name)).version === version
    } catch {
      return false
    }
  })
}

function readPackage(folder: string): { version: string; dependencies?: Record<string, string> } {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as ReturnType<typeof readPackage>
}

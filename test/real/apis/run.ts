import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { npm } from '../../support/examples/pack.ts'
import { freePort } from '../../support/network/http-server.ts'
import { ensureInstalled } from '../../support/processes/install.ts'
import { root } from '../../support/processes/start-process.ts'
import { readSnippet } from './snippets.ts'
import type { Stack } from './stacks.ts'

/** An API that runs as its page says. */
export interface RunningApi {
  url: string
  /** What it has printed so far, from the end. */
  printed(): string
  stop(): Promise<void>
}

/** The names that the pages use, in whose place the run puts its own. */
const exampleIssuer = 'https://app.example.com'
const examplePort = '8080'

/** Milliseconds until an API listens: the first run of a stack fetches and compiles all that it needs. */
const startDeadline = 600_000
const maxPrinted = 6_000

/** Writes the files of a stack's page into a folder of their own, runs its commands, and waits for the API. */
export async function startApi(stack: Stack, issuer: string): Promise<RunningApi> {
  for (const [program, packages] of Object.entries(stack.programs ?? {}))
    ensureInstalled(program, '--version', packages)
  const { files, commands } = readSnippet(stack.page, stack.sections)
  const port = await freePort()
  const replaced = Object.entries({ ...stack.instead, [exampleIssuer]: issuer, [examplePort]: String(port) })
  const adapt = (text: string) => replaced.reduce((result, [from, to]) => result.replaceAll(from, to), text)

  const folder = mkdtempSync(join(tmpdir(), `portico-${stack.name}-`))
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, stack.places?.[name] ?? name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, adapt(content))
  }
  const lines = commands.map(adapt).map((line) => useOwnVerifier(line, folder))
  const env = { ...process.env, ...caches }
  for (const line of lines.slice(0, -1)) {
    const { status, stdout, stderr } = spawnSync('bash', ['-c', line], { cwd: folder, env, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${line}\nended with ${status}:\n${stdout}${stderr}`)
  }

  // A group of its own: what runs the API, such as `go run`, starts further processes.
  const child = spawn('bash', ['-c', lines.at(-1) ?? ''], { cwd: folder, env, detached: true })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      printed = (printed + chunk.toString()).slice(-maxPrinted)
    })
  }
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const stop = async () => {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true })
  }

  const url = `http://127.0.0.1:${port}`
  const giveUpAt = Date.now() + startDeadline
  while (!(await listens(url))) {
    if (child.exitCode !== null || Date.now() > giveUpAt) {
      await stop()
      throw new Error(`${lines.at(-1)}\ndid not start:\n${printed}`)
    }
    await delay(200)
  }
  return { url, printed: () => printed, stop }
}

/** Packs the verifier of this tree, and puts the file in the place of the published version. */
function useOwnVerifier(line: string, folder: string): string {
  const name = '@portico-bff/verify'
  if (!line.includes(`${name}@`)) return line
  const source = join(root, 'packages/verify')
  const { version } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as { version: string }
  npm(['pack', '--pack-destination', folder], source)
  return line.replace(`${name}@${version}`, `./portico-bff-verify-${version}.tgz`)
}

const listens = (url: string) =>
  fetch(url).then(
    () => true,
    () => false,
  )

/** Where package managers that ask the environment keep what they fetch; it is kept for the next run. */
const caches = { MAVEN_OPTS: `-Dmaven.repo.local=${join(root, 'node_modules/.cache/maven')}` }

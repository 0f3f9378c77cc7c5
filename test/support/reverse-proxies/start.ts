import { spawn } from 'node:child_process'
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { root } from '../processes/start-process.ts'

/** The programs that run the configurations of `examples/forward-auth`. */
export type ReverseProxyName = 'nginx' | 'haproxy' | 'caddy'

/** A reverse proxy that runs an example as it is, but for its ports, folders and secret. */
export interface ReverseProxy {
  close(): Promise<void>
}

/** What an example's texts are replaced by, such as `127.0.0.1:3000` by the address of the test's Portico. */
export type Replacements = Readonly<Record<string, string>>

const commands: Record<ReverseProxyName, (folder: string) => [string, ...string[]]> = {
  nginx: (folder) => [
    'nginx',
    ...['-e', 'stderr', '-p', folder, '-c', join(folder, 'nginx.conf')],
    ...['-g', 'daemon off; master_process off; pid nginx.pid;'],
  ],
  haproxy: (folder) => ['haproxy', '-db', '-f', join(folder, 'haproxy.cfg')],
  caddy: (folder) => ['caddy', 'run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'],
}

/** Where they would otherwise write or listen on a machine that has one of them already. */
const surroundings: Record<ReverseProxyName, (folder: string) => Replacements> = {
  nginx: () => ({
    'http {': `http { access_log off; ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${name};`)
      .join(' ')}`,
  }),
  haproxy: (folder) => ({ '/etc/haproxy': folder }),
  caddy: () => ({ '# Caddy in front': '{\n\tadmin off\n}\n\n# Caddy in front' }),
}

interface ReverseProxyOptions {
  port: number
  replaced: Replacements
  secret?: string
  /** The folder with its configuration, below the root of this tree; that of its example by default. */
  configuration?: string
}

/** Starts a reverse proxy by its example or another configuration, and waits until it listens on `port`. */
export async function startReverseProxy(
  name: ReverseProxyName,
  { port, replaced, secret = '', configuration = `examples/forward-auth/${name}` }: ReverseProxyOptions,
): Promise<ReverseProxy> {
  const folder = mkdtempSync(join(tmpdir(), `portico-${name}-`))
  chmodSync(folder, 0o755)
  cpSync(join(root, configuration), folder, { recursive: true })
  const all = { ...surroundings[name](folder), ...replaced, '8080': String(port) }
  for (const file of readdirSync(folder)) replaceTexts(join(folder, file), all)

  const [command, ...args] = commands[name](folder)
  const env = { PATH: process.env.PATH, HOME: folder, FORWARD_AUTH_SECRET: secret }
  const child = spawn(command, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  }
  let hasEnded = false
  const exited = new Promise<void>((done) => {
    child.once('close', () => {
      hasEnded = true
      done()
    })
  })
  while (!(await isListening(port))) {
    if (hasEnded) throw new Error(`${name} ended:\n${output}`)
    await turn()
  }
  return {
    async close() {
      child.kill('SIGKILL')
      await exited
      rmSync(folder, { recursive: true })
    },
  }
}

function replaceTexts(file: string, replaced: Replacements): void {
  const text = readFileSync(file, 'utf8')
  const changed = Object.entries(replaced).reduce((before, [from, to]) => before.replaceAll(from, to), text)
  writeFileSync(file, changed)
}

const isListening = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', () => done(false))
  })

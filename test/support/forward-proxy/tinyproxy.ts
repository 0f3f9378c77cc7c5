import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../network/http-server.ts'

/** Where tinyproxy connects from, so that a server can tell its connections from all others. */
export const proxyAddress = '127.0.0.2'

interface TinyproxyOptions {
  /** Asks for this user name and password. */
  credentials?: { user: string; password: string }
  /** Refuses every host. */
  refuses?: boolean
}

/** Starts Debian's tinyproxy, a forward proxy that `install.ts` finds or installs, on a free loopback port. */
export async function startTinyproxy({ credentials, refuses = false }: TinyproxyOptions = {}) {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'portico-tinyproxy-'))
  const [configuration, filter] = [join(folder, 'tinyproxy.conf'), join(folder, 'filter')]
  writeFileSync(filter, '')
  const lines = [
    `Port ${port}`,
    'Listen 127.0.0.1',
    `Bind ${proxyAddress}`,
    'LogLevel Info',
    ...(credentials === undefined ? [] : [`BasicAuth ${credentials.user} ${credentials.password}`]),
    ...(refuses ? [`Filter "${filter}"`, 'FilterDefaultDeny Yes'] : []),
  ]
  writeFileSync(configuration, `${lines.join('\n')}\n`)
  const child = spawn('tinyproxy', ['-d', '-c', configuration], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const exited = new Promise<void>((done) => child.once('close', () => done()))
  await new Promise<void>((ready, failed) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString()
        if (output.includes('Accepting connections')) ready()
      })
    }
    void exited.then(() => failed(new Error(`tinyproxy ended:\n${output}`)))
  })
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    /** The hosts and ports that it was asked for a tunnel to. */
    tunnels: () => [...output.matchAll(/CONNECT (\S+) HTTP/g)].map(([, target]) => target),
    async close() {
      child.kill('SIGKILL')
      await exited
      rmSync(folder, { recursive: true })
    },
  }
}

import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../support/network/http-server.ts'
import { testSecret } from '../support/portico.ts'
import { compileCache, root } from '../support/processes/start-process.ts'

/** Starts a server whose standard output goes there. */
async function launch(output: number, env: Record<string, string>) {
  const port = String(await freePort())
  const url = `http://127.0.0.1:${port}`
  const child = spawn(process.execPath, [join(root, 'src/main.ts')], {
    env: {
      ...compileCache,
      PUBLIC_URL: url,
      HOST: '127.0.0.1',
      PORT: port,
      BFF_SECRETS: testSecret(),
      OIDC_ISSUER: 'http://127.0.0.1:1/x',
      OIDC_CLIENT_ID: 'x',
      SHUTDOWN_DRAIN: '0s',
      ...env,
    },
    stdio: ['ignore', output, 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const exited = new Promise((done) => child.once('exit', (_code, signal) => done(signal)))
  const isUp = () =>
    fetch(`${url}/livez`).then(
      ({ ok }) => ok,
      () => false,
    )
  await expect.poll(isUp).toBe(true)
  return { child, url, exited, isUp }
}

test.each<[string, Record<string, string>]>([
  ['json', {}],
  ['pretty', {}],
  ['json', { AUDIT_LOG: 'stdout' }],
])('a disk that is full, to which the log goes (%s, %o): requests are answered', async (format, env) => {
  const { child, url, exited, isUp } = await launch(openSync('/dev/full', 'w'), {
    LOG_FORMAT: format,
    ...env,
  })
  // More lines than one write takes, and longer than they wait for each other.
  for (let count = 0; count < 50; count += 1) await fetch(`${url}/nothing`)
  expect(await isUp()).toBe(true)
  child.kill('SIGTERM')
  expect(await exited).toBeNull()
})

test.each<[string, Record<string, string>]>([
  ['by default', {}],
  ['as JSON', { LOG_FORMAT: 'json' }],
])('a log that is read no more (%s): requests are answered, and the process ends', async (_name, env) => {
  const folder = mkdtempSync(join(tmpdir(), 'portico-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const pipe = join(folder, 'pipe')
  execFileSync('/usr/bin/mkfifo', [pipe])
  const { child, url, exited, isUp } = await launch(openSync(pipe, 'r+'), env)
  // More than a pipe takes.
  const path = `/${'x'.repeat(190)}`
  for (let count = 0; count < 40; count += 1) {
    await Promise.all(Array.from({ length: 50 }, () => fetch(url + path).then((answer) => answer.text())))
  }
  expect(await isUp()).toBe(true)
  child.kill('SIGTERM')
  expect(await exited).toBeNull()
})

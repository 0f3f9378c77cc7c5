import { spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { freePort } from '../support/network/http-server.ts'
import { testSecret } from '../support/portico.ts'
import { compileCache, root } from '../support/processes/start-process.ts'

test.each([
  ['json', {}],
  ['pretty', {}],
  ['json', { AUDIT_LOG: 'stdout' }],
])('a disk that is full, to which the log goes (%s, %o): requests are answered', async (format, env) => {
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
      LOG_FORMAT: format,
      ...env,
    },
    stdio: ['ignore', openSync('/dev/full', 'w'), 'inherit'],
  })
  const exited = new Promise((done) => child.once('exit', done))
  try {
    await expect
      .poll(() =>
        fetch(`${url}/livez`).then(
          ({ ok }) => ok,
          () => false,
        ),
      )
      .toBe(true)
    // More lines than one write takes, and longer than they wait for each other.
    for (let count = 0; count < 50; count += 1) await fetch(`${url}/nothing`)
    expect((await fetch(`${url}/livez`)).status).toBe(200)
    child.kill('SIGTERM')
    await exited
    expect(child.signalCode).toBeNull()
  } finally {
    child.kill('SIGKILL')
  }
})

import { createHash, createHmac, hkdfSync } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { afterEach, describe, expect, test } from 'vitest'
import { introspectionClients } from '../../../src/config/values/caller-secrets.ts'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { csrf } from '../../support/login.ts'
import { freePort } from '../../support/network/http-server.ts'
import { testSecret } from '../../support/portico.ts'
import { startProcess, type TestProcess } from '../../support/processes/start-process.ts'
import { startScriptedProvider } from '../../support/providers/scripted-provider.ts'

const running: TestProcess[] = []
const start = (...args: Parameters<typeof startProcess>): TestProcess => {
  const started = startProcess(...args)
  running.push(started)
  return started
}
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop('SIGKILL')
})

const clientSecret = testSecret()
const masterSecret = testSecret()

/** Enough for a server to start; no provider answers it. */
const minimal = {
  PUBLIC_URL: 'http://127.0.0.1:3000',
  HOST: '127.0.0.1',
  PORT: '0',
  BFF_SECRETS: masterSecret,
  OIDC_ISSUER: 'http://127.0.0.1:1/x',
  OIDC_CLIENT_ID: 'x',
  SHUTDOWN_DRAIN: '0s',
}

async function startServer(issuer: string, env: Record<string, string> = {}) {
  const port = env.PORT ?? String(await freePort())
  const publicUrl = `http://127.0.0.1:${port}`
  const server = start('src/main.ts', ['serve'], {
    PUBLIC_URL: publicUrl,
    HOST: '127.0.0.1',
    PORT: port,
    BFF_SECRETS: masterSecret,
    OIDC_ISSUER: issuer,
    OIDC_CLIENT_ID: 'portico-test',
    OIDC_CLIENT_SECRET: clientSecret,
    OIDC_SCOPES: 'openid profile email',
    SHUTDOWN_DRAIN: '0s',
    ...env,
  })
  await server.line(/"server_listening"/)
  return { server, publicUrl }
}

/** Through oidc-provider's own pages: sign in, consent, and back; returns where it sends the browser in the end. */
async function signInAtPlainProvider(browser: TestBrowser, loginUrl: string, home: string): Promise<URL> {
  const forms = [{ prompt: 'login', login: 'grace', password: 'any' }, { prompt: 'consent' }]
  let url = loginUrl
  for (let step = 0; step < 12; step += 1) {
    const response = await browser.visit(url)
    const location = response.headers.get('location')
    if (location === null) {
      const action = /action="([^"]+)"/.exec(await response.text())?.[1] ?? ''
      const posted = await browser.visit(new URL(action, url).href, {
        method: 'POST',
        body: new URLSearchParams(forms.shift()),
      })
      url = new URL(posted.headers.get('location') ?? '', url).href
    } else {
      url = new URL(location, url).href
    }
    if (url.startsWith(home)) return new URL(url)
  }
  throw new Error('the provider never came to an end')
}

test('npm start with a separate provider process: the seed flow by plain HTTP calls', async () => {
  const port = await freePort()
  const provider = start('test/support/processes/oidc-provider.ts', [], {
    CLIENT_ID: 'portico-test',
    CLIENT_SECRET: clientSecret,
    REDIRECT_URI: `http://127.0.0.1:${port}/api/callback`,
  })
  const issuer = await provider.line(/^http:/)
  const { server, publicUrl } = await startServer(issuer, { PORT: String(port) })
  const browser = createTestBrowser()

  const { login_url: loginUrl } = (await (await browser.fetch(`${publicUrl}/api/login`)).json()) as {
    login_url: string
  }
  const callback = await signInAtPlainProvider(browser, loginUrl, publicUrl)
  const response = await browser.fetch(callback.href)
  const answer = (await response.json()) as { token: string; user: unknown }

  expect(answer.user).toMatchObject({ sub: 'grace', name: 'Person grace', email: 'grace@example.com' })
  const keys = createRemoteJWKSet(new URL(`${publicUrl}/.well-known/jwks.json`))
  const { payload } = await jwtVerify(answer.token, keys, {
    issuer: publicUrl,
    audience: publicUrl,
    typ: 'at+jwt',
  })
  expect(payload.sub).toBe('grace')
  expect((await browser.fetch(`${publicUrl}/api/token`, { method: 'POST', headers: csrf })).status).toBe(200)

  expect(await server.stop()).toBe(0)
  for (const secret of [callback.searchParams.get('code') ?? '', clientSecret, masterSecret, answer.token]) {
    expect(secret.length).toBeGreaterThan(20)
    expect(server.output.text).not.toContain(secret)
  }
  expect(server.output.text).toContain('"BFF_SECRETS":"[redacted]"')
})

test('without PKCE every start warns, by the name of the provider and the setting', async () => {
  const { server } = await startServer('https://idp.invalid', {
    OIDC_CLIENT_SECRET: clientSecret,
    OIDC_PKCE: 'off',
  })
  const line = await server.line(/config_pkce_disabled/)
  expect(JSON.parse(line)).toMatchObject({ level: 'warn', provider: 'default', variable: 'OIDC_PKCE' })
  await server.stop()
})

describe('npm start', () => {
  test('with no configuration: exit 78, every missing variable with an example, and the way to the demo', async () => {
    const server = start('src/main.ts', [], {})
    expect(await server.exited).toBe(78)
    for (const name of ['PUBLIC_URL', 'BFF_SECRETS', 'OIDC_ISSUER', 'OIDC_CLIENT_ID']) {
      expect(server.output.text).toMatch(new RegExp(`${name} is required.*\\n +for example: ${name}=\\S`))
    }
    expect(server.output.text).toContain('npm run demo')
    expect(server.output.text).not.toMatch(/^ +at /m)
  })

  test('with a port in use: a plain sentence and exit 1', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as { port: number }
    await expect(startServer('http://127.0.0.1:1/', { PORT: String(port) })).rejects.toThrow(
      'Choose another PORT',
    )
    expect(await running[0]?.exited).toBe(1)
    // Nothing that waits for Redis keeps the process from ending.
    const env = { PORT: String(port), REDIS_URL: 'redis://127.0.0.1:1' }
    await expect(startServer('http://127.0.0.1:1/', env)).rejects.toThrow('Choose another PORT')
    expect(await running[1]?.exited).toBe(1)
    taken.close()
  })

  test('says what an operator should know: sessions in memory, limits that everybody shares', async () => {
    const { server } = await startServer('http://127.0.0.1:1/x')
    await server.line(/"store_in_memory"/)
    expect(server.output.text).not.toContain('config_shared_rate_limit')
    const other = start('src/main.ts', [], {
      PUBLIC_URL: 'https://app.example.com',
      HOST: '127.0.0.1',
      PORT: '0',
      BFF_SECRETS: masterSecret,
      OIDC_ISSUER: 'http://127.0.0.1:1/x',
      OIDC_CLIENT_ID: 'c',
      REDIS_URL: 'redis://user:very-secret@127.0.0.1:1',
    })
    await other.line(/"config_shared_rate_limit"/)
    expect(await other.line(/"store_unavailable"/)).toMatch(/"redis":"127.0.0.1:1","reason":"ECONNREFUSED"/)
    expect(other.output.text).not.toMatch(/store_in_memory|very-secret/)
  })

  test('with a misspelt variable: starts, and says which one is meant', async () => {
    const { server } = await startServer('http://127.0.0.1:1/x', { SESSION_TIMEOUT: '1h' })
    expect(JSON.parse(await server.line(/config_unknown_variable/))).toMatchObject({
      level: 'warn',
      variable: 'SESSION_TIMEOUT',
      did_you_mean: 'SESSION_IDLE_TIMEOUT',
    })
  })

  test('keys: prints a line that BFF_SECRETS takes', async () => {
    const printed = start('src/main.ts', ['keys'], {})
    expect(await printed.exited).toBe(0)
    expect(printed.output.text).toMatch(/^BFF_SECRETS=[\w-]{43}\n$/)
  })

  test('subject: prints the hash by which the log names a user, for each secret, the newest first', async () => {
    const older = testSecret()
    const printed = start('src/main.ts', ['subject', 'auth0|1'], { BFF_SECRETS: `${masterSecret},${older}` })
    expect(await printed.exited).toBe(0)
    const toHash = (secret: string) => {
      const key = hkdfSync('sha256', Buffer.from(secret, 'base64url'), '', 'portico/v1/log-subject', 32)
      const hash = createHmac('sha256', Buffer.from(key)).update('auth0|1').digest()
      return `h:${hash.subarray(0, 16).toString('base64url')}\n`
    }
    expect(printed.output.text).toBe(toHash(masterSecret) + toHash(older))
  })

  test('subject: without BFF_SECRETS, it says what is missing', async () => {
    const printed = start('src/main.ts', ['subject', 'auth0|1'], {})
    expect(await printed.exited).toBe(78)
    expect(printed.output.text).toContain('BFF_SECRETS is required')
    expect(printed.output.text).not.toContain('PUBLIC_URL')
  })

  test('AUDIT_LOG=stdout: records come whatever the level of the log is, and can be distinguished', async () => {
    const env = { AUDIT_LOG: 'stdout', LOG_LEVEL: 'warn', LOG_FORMAT: 'json' }
    const server = start('src/main.ts', ['serve'], { ...minimal, ...env })
    await server.line(/"signing_keys_changed"/)
    await server.stop()
    const lines = server.output.text.trimEnd().split('\n')
    const parsed = lines.map((line) => JSON.parse(line) as { event: string | { dataset: string } })
    const [records, logLines] = [true, false].map((isRecord) =>
      parsed.filter(({ event }) => isRecord === (typeof event === 'object')),
    )
    expect(records).toMatchObject([{ event: { dataset: 'portico.audit', action: 'signing_keys_changed' } }])
    expect(logLines).toContainEqual(expect.objectContaining({ event: 'store_in_memory' }))
    expect(logLines).not.toContainEqual(expect.objectContaining({ event: 'signing_keys_changed' }))
  })

  test('AUDIT_LOG=stdout: SIGHUP ends the process, as that of a terminal which is closed', async () => {
    const server = start('src/main.ts', ['serve'], { ...minimal, AUDIT_LOG: 'stdout' })
    await server.line(/"server_listening"/)
    server.child.kill('SIGHUP')
    await server.exited
    expect(server.child.signalCode).toBe('SIGHUP')
  })

  test('LOG_FORMAT=pretty: lines for a human, without colors where they would be lost', async () => {
    const server = start('src/main.ts', ['serve'], { ...minimal, LOG_FORMAT: 'pretty' })
    expect(await server.line(/server_listening/)).toMatch(
      /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: server_listening +host=127\.0\.0\.1 port=\d+ public_url=/,
    )
  })

  test('client: prints a secret, and the entry that knows it by its hash alone', async () => {
    const printed = start('src/main.ts', ['client', 'orders-api'], {})
    expect(await printed.exited).toBe(0)
    const [, secret = '', entry = ''] =
      /^For orders-api, shown this once:\n {2}([\w-]{43})\nFor Portico:\n {2}INTROSPECTION_CLIENTS=(.+)\n$/.exec(
        printed.output.text,
      ) ?? []
    expect(introspectionClients.parse(entry).get('orders-api')).toEqual(
      createHash('sha256').update(secret).digest(),
    )
  })

  test('the operator’s port is in use: ends, and says so', async () => {
    const taken = createServer()
    const port = await freePort()
    await new Promise<void>((done) => taken.listen(port, '127.0.0.1', done))
    const server = start('src/main.ts', ['serve'], {
      PUBLIC_URL: 'http://127.0.0.1:3000',
      HOST: '127.0.0.1',
      PORT: '0',
      OPERATOR_PORT: String(port),
      OPERATOR_SECRET: testSecret(),
      BFF_SECRETS: masterSecret,
      OIDC_ISSUER: 'http://127.0.0.1:1/x',
      OIDC_CLIENT_ID: 'x',
    })
    expect(await server.exited).toBe(1)
    expect(server.output.text).toContain('EADDRINUSE')
    taken.close()
  })
})

test('SIGTERM during the exchange: the login completes, then the process ends (F16)', async () => {
  const idp = await startScriptedProvider()
  const { server, publicUrl } = await startServer(idp.issuer, { OIDC_CLIENT_SECRET: 'test-client-secret' })
  const browser = createTestBrowser()
  const { login_url: loginUrl } = (await (await browser.fetch(`${publicUrl}/api/login`)).json()) as {
    login_url: string
  }
  // The signal goes out while the provider holds the code and has not answered yet.
  idp.script({
    onTokenRequest: () => void server.child.kill('SIGTERM'),
    tokenDelay: server.line(/"server_draining"/),
  })
  const response = await browser.fetch(`${publicUrl}/api/callback?${idp.authorize(loginUrl)}`)
  expect(response.status).toBe(200)
  expect(await server.exited).toBe(0)
  await idp.close()
})

test('from SIGTERM on it is not ready, and serves on for SHUTDOWN_DRAIN, each answer the last of its connection', async () => {
  const { server, publicUrl } = await startServer('http://127.0.0.1:1/x', { SHUTDOWN_DRAIN: '4m' })
  const ask = async (path: string) => {
    const { status, headers } = await fetch(publicUrl + path)
    return [status, headers.get('connection')]
  }
  expect(await ask('/readyz')).toEqual([200, 'keep-alive'])
  server.child.kill('SIGTERM')
  await server.line(/"server_draining"/)
  expect(await ask('/readyz')).toEqual([503, 'close'])
  expect(await ask('/livez')).toEqual([200, 'close'])
  expect(await ask('/api/providers')).toEqual([200, 'close'])
})

describe('Ctrl+C', () => {
  const { SHUTDOWN_DRAIN: _, ...development } = minimal

  test('ends a development server at once, also with connections that wait for their next or first request', async () => {
    const port = await freePort()
    const server = start('src/main.ts', [], { ...development, PORT: String(port) })
    await server.line(/"server_listening"/)
    const unused = connect(port, '127.0.0.1').on('error', () => {})
    await once(unused, 'connect')
    expect((await fetch(`http://127.0.0.1:${port}/livez`)).headers.get('connection')).toBe('keep-alive')
    expect(await server.stop('SIGINT')).toBe(0)
    expect(server.output.text).toMatch(/"server_draining","drain_ms":0\}\n.*"server_stopped"/)
    unused.destroy()
  })

  test('a second time ends a server that drains at once', async () => {
    const server = start('src/main.ts', [], { ...development, SHUTDOWN_DRAIN: '4m' })
    await server.line(/"server_listening"/)
    server.child.kill('SIGINT')
    await server.line(/"server_draining"/)
    await server.stop('SIGINT')
    expect(server.child.signalCode).toBe('SIGINT')
  })
})

test('the demo refuses to run with NODE_ENV=production', async () => {
  const demo = start('demo/main.ts', [], { NODE_ENV: 'production' })
  expect(await demo.exited).toBe(1)
  expect(demo.output.text).toContain('production')
})

test('the demo prints its usage for --help', async () => {
  const demo = start('demo/main.ts', ['--help'], {})
  expect(await demo.exited).toBe(0)
  expect(demo.output.text).toMatch(/^Usage: npm run demo/)
})

test('the log begins with the proxy routes: where each leads, and with which token', async () => {
  const { server } = await startServer('http://127.0.0.1:1', {
    PROXY_ROUTES_FILE: '../docs/proxy-routes.example.yaml',
    PROXY_ORDERS: 'https://orders.internal/v2/',
    FORWARD_AUTH_SECRET: clientSecret,
  })
  const line = await server.line(/"server_starting"/)
  expect(JSON.parse(line)).toMatchObject({
    PROXY_ROUTES_FILE: '../docs/proxy-routes.example.yaml',
    FORWARD_AUTH_SECRET: '[redacted]',
    proxy_routes: [
      'shop https://shop.internal/v2 provider',
      'reports https://reports.internal app',
      'billing https://billing.internal exchange',
      'updates http://updates.internal:8080 none',
      'catalogue https://catalogue.internal optional',
      'orders https://orders.internal/v2 provider',
    ],
  })
})

import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { afterAll, test as base, describe, expect, onTestFinished, vi } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { examine } from '../../../src/doctor/doctor.ts'
import { createTestBrowser } from '../../support/browser.ts'
import { hours, minutes, seconds } from '../../support/clock.ts'
import { toLine } from '../../support/examination.ts'
import { explainFrom, readShownId } from '../../support/explained.ts'
import { closeAfterTest, idp, providerPerFile } from '../../support/fixtures.ts'
import { proxyAddress, startTinyproxy } from '../../support/forward-proxy/tinyproxy.ts'
import { csrf, logInAtScripted, readRefusal, startLogin } from '../../support/login.ts'
import { createCertificate, type TestCertificate, trust } from '../../support/network/certificate.ts'
import { startTestServer } from '../../support/network/http-server.ts'
import { startTcpProxy } from '../../support/network/tcp-proxy.ts'
import { publicUrl, startPortico, testSecret } from '../../support/portico.ts'
import { signInAtOkta } from '../../support/providers/okta.ts'
import { startProviderVariant } from '../../support/providers/provider-variants.ts'
import { createProviderKey } from '../../support/providers/scripted-provider.ts'

/** A company that lets nothing out but through its proxy: a real tinyproxy, with connections of its own. */

const test = providerPerFile()
const credentials = { user: 'portico', password: testSecret() }
const withCredentials = ({ port }: { port: number }) =>
  `http://${credentials.user}:${credentials.password}@127.0.0.1:${port}`

/** A Portico whose provider is called through this proxy. */
const startBehind = async (proxy: string, env: Record<string, string> = {}) =>
  closeAfterTest(await startPortico({ issuer: idp.issuer, env: { HTTP_PROXY: proxy, ...env } }))

describe('every call of the provider goes through the forward proxy', () => {
  test('login, refresh, keys, userinfo, revocation and Universal Logout', async () => {
    const proxy = closeAfterTest(await startTinyproxy({ credentials }))
    const portico = await startBehind(withCredentials(proxy), { SESSION_IDLE_TIMEOUT: '8h' })
    idp.follow(portico.clock)
    const { browser, response } = await logInAtScripted(portico, idp)
    expect(response.status).toBe(200)

    // A new key, which the ID token of the refresh is signed with.
    const key = await createProviderKey('new-1')
    idp.publish(idp.goodKey, key)
    idp.script({ key })
    portico.clock.advance(hours(1))
    const token = await browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
    expect(token.status).toBe(200)
    await browser.fetch(`${portico.url}/api/userinfo`, { headers: csrf })
    await browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })
    await expect.poll(() => idp.calls.revocation).toBe(1)
    const now = Math.floor(portico.clock.now() / 1000)
    const claims = { iss: idp.org, sub: 'portico-test', aud: `${publicUrl}/api/universal-logout` }
    const call = await idp.sign(
      idp.orgKey,
      { alg: 'RS256', kid: idp.orgKey.kid, typ: 'global-token-revocation+jwt' },
      { ...claims, iat: now, exp: now + 60, jti: testSecret() },
    )
    const ended = await createTestBrowser().fetch(`${portico.url}/api/universal-logout`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${call}` },
      body: JSON.stringify({ sub_id: { format: 'iss_sub', iss: idp.issuer, sub: '00u-grace' } }),
    })
    expect(ended.status).toBe(204)

    expect(idp.calls).toMatchObject({
      discovery: 1,
      token: 1,
      refresh: 1,
      jwks: 2,
      userinfo: 1,
      revocation: 1,
    })
    expect([...idp.callers]).toEqual([proxyAddress])
    // Kept-alive connections: far fewer tunnels than calls.
    expect(new Set(proxy.tunnels())).toEqual(new Set([`127.0.0.1:${idp.port}`]))
    expect(proxy.tunnels().length).toBeLessThan(4)
    expect(JSON.stringify(portico.logged)).not.toContain(credentials.password)
  })

  test('NO_PROXY names hosts that are called directly, and small letters win', async () => {
    idp.callers.clear()
    const proxy = closeAfterTest(await startTinyproxy())
    const portico = await startBehind(proxy.url, {
      NO_PROXY: 'example.com',
      no_proxy: 'example.com, 127.0.0.1',
    })
    idp.follow(portico.clock)
    expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
    expect([proxy.tunnels(), [...idp.callers]]).toEqual([[], ['127.0.0.1']])
  })

  test('a provider on this machine is called directly, where the proxy is on another one', async () => {
    idp.callers.clear()
    const portico = await startBehind('http://proxy.invalid:3128', { NO_PROXY: 'example.com' })
    idp.follow(portico.clock)
    expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
    expect([...idp.callers]).toEqual(['127.0.0.1'])
  })
})

describe('with mutual TLS to the provider', () => {
  const folder = mkdtempSync(join(tmpdir(), 'portico-forward-proxy-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  base('the certificate is shown to the provider inside of the tunnel, and not to the proxy', async () => {
    const certificates = {
      server: createCertificate(folder, 'localhost'),
      client: createCertificate(folder, 'portico-demo'),
    }
    trust(certificates.server)
    const options = { printsCallers: true }
    const provider = closeAfterTest(
      await startProviderVariant('okta', 'tls_client_auth', certificates, options),
    )
    const proxy = closeAfterTest(await startTinyproxy({ credentials }))
    const front = closeAfterTest(await startTlsFront(proxy.port, certificates.server))
    const portico = closeAfterTest(
      await startPortico({
        env: {
          ...provider.settings,
          https_proxy: `https://${credentials.user}:${credentials.password}@localhost:${front.port}`,
        },
      }),
    )
    const browser = createTestBrowser()
    const callback = await signInAtOkta(browser, await startLogin(portico, browser))
    expect((await browser.fetch(`${portico.url}/api/callback${callback.search}`)).status).toBe(200)
    portico.clock.advance(seconds(19.5))
    const token = await browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
    expect(token.status).toBe(200)

    const lines = provider.process.output.text.split('\n')
    const ofServer = lines.filter((line) => /\/(token|keys|openid-configuration)$/.test(line))
    expect(ofServer.length).toBeGreaterThanOrEqual(4)
    expect(ofServer.filter((line) => !line.startsWith(`${proxyAddress} `))).toEqual([])
    expect([...front.clients]).toEqual([undefined])
  })
})

base.for(['localhost', '127.0.0.1'])(
  'a proxy that speaks TLS at %s is compared with its certificate',
  async (host) => {
    const folder = mkdtempSync(join(tmpdir(), 'portico-forward-proxy-'))
    try {
      const certificate = createCertificate(folder, 'proxy')
      trust(certificate)
      const proxy = closeAfterTest(await startTinyproxy())
      const front = closeAfterTest(await startTlsFront(proxy.port, certificate))
      const portico = await startBehind(`https://${host}:${front.port}`)
      expect((await createTestBrowser().fetch(`${portico.url}/api/login`)).status).toBe(200)
      expect(proxy.tunnels()).toContain(`127.0.0.1:${idp.port}`)
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)

/** Makes a proxy one that speaks TLS, and asks its clients for a certificate, which they need not have. */
async function startTlsFront(port: number, { key, certificate: cert }: TestCertificate) {
  /** Whom the certificate of each client names. */
  const clients = new Set<unknown>()
  const sockets = new Set<Socket>()
  const server = createServer({ key, cert, requestCert: true, rejectUnauthorized: false }, (client) => {
    clients.add(client.getPeerX509Certificate()?.subject)
    const proxy = connect(port, '127.0.0.1')
    for (const socket of [client, proxy]) sockets.add(socket.on('error', () => {}))
    client.pipe(proxy).pipe(client)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    port: (server.address() as AddressInfo).port,
    clients,
    close() {
      for (const socket of sockets) socket.destroy()
      return new Promise<void>((done) => server.close(() => done()))
    },
  }
}

describe('what the forward proxy itself refuses is told apart', () => {
  test.for<[string, RegExp, RegExp, () => Promise<string>]>([
    [
      'it asks for a password',
      /^discovery: forward proxy: status 407$/,
      /the user name and the password of the forward proxy/,
      async () => closeAfterTest(await startTinyproxy({ credentials })).url,
    ],
    [
      'it does not allow the host',
      /^discovery: forward proxy: status 403$/,
      /allow CONNECT to host and port of the provider/,
      async () => closeAfterTest(await startTinyproxy({ refuses: true })).url,
    ],
    [
      'nothing listens there',
      /^discovery: forward proxy: ECONNREFUSED$/,
      /correct host and port in HTTPS_PROXY/,
      async () => 'http://127.0.0.1:1',
    ],
    [
      'it does not speak TLS',
      /^discovery: forward proxy: ERR_SSL_WRONG_VERSION_NUMBER$/,
      /begin HTTPS_PROXY \(or HTTP_PROXY\) with http:/,
      async () => closeAfterTest(await startTestServer()).origin.replace('http', 'https'),
    ],
    [
      'it ends the connection',
      /^discovery: forward proxy: (ECONNRESET|UND_ERR_SOCKET)$/,
      /correct host and port in HTTPS_PROXY/,
      async () => {
        const resetting = closeAfterTest(await startTcpProxy(1))
        resetting.cut()
        return `http://127.0.0.1:${resetting.port}`
      },
    ],
  ])('%s', async ([_name, reason, advice, startProxy]) => {
    const proxy = await startProxy()
    const portico = await startBehind(proxy)
    const response = await createTestBrowser().fetch(`${portico.url}/api/login`)
    expect(await readRefusal(response.clone())).toBe('503 provider_unavailable')
    expect(portico.logged.find(({ event }) => event === 'provider_unavailable')?.reason).toMatch(reason)
    const story = await explainFrom(portico, await readShownId(response))
    expect(story).toContain(
      'the forward proxy (HTTPS_PROXY or HTTP_PROXY) cannot be reached, or did not pass the call',
    )
    expect(story).toMatch(advice)

    const findings = (await examine(toDoctorSettings({ HTTP_PROXY: proxy }), systemClock)).map(toLine)
    expect(findings).toContain(`pass forward proxy: the provider is called through ${new URL(proxy).host}`)
    expect(findings.find((line) => line.startsWith('fail discovery'))).toMatch(advice)
  })

  test('it cannot reach the provider', async () => {
    const proxy = closeAfterTest(await startTinyproxy())
    const portico = await startBehind(proxy.url, { OIDC_ISSUER: 'http://127.0.0.1:1' })
    await createTestBrowser().fetch(`${portico.url}/api/login`)
    const unavailable = portico.logged.find(({ event }) => event === 'provider_unavailable')
    expect(unavailable?.reason).toBe('discovery: forward proxy: status 500')
  })
})

test('a proxy that does not answer holds up neither a call nor the end of the server, and may recover', async () => {
  const tinyproxy = closeAfterTest(await startTinyproxy())
  const silent = closeAfterTest(await startTcpProxy(tinyproxy.port))
  silent.swallow()
  const env = { HTTP_PROXY: `http://127.0.0.1:${silent.port}`, OIDC_TIMEOUT: '1s' }
  const portico = await startPortico({ issuer: idp.issuer, env })
  const begin = () => createTestBrowser().fetch(`${portico.url}/api/login`)
  expect(await readRefusal(await begin())).toBe('503 provider_unavailable')
  portico.clock.advance(minutes(1))
  expect(await readRefusal(await begin())).toBe('503 provider_unavailable')
  expect(portico.logged.find(({ event }) => event === 'provider_unavailable')?.reason).toBe(
    'discovery: deadline passed without a connection',
  )
  silent.mend()
  portico.clock.advance(minutes(1))
  expect((await begin()).status).toBe(200)
  await portico.close()
})

test('the doctor says where no proxy is used although one is set', async () => {
  const env = toDoctorSettings({ HTTP_PROXY: 'http://127.0.0.1:1', NO_PROXY: '*' })
  expect((await examine(env, systemClock)).map(toLine)).toContain(
    'pass forward proxy: the provider is called directly, although HTTP_PROXY is set: NO_PROXY or the protocol leaves it out, or it is on this machine',
  )
})

function toDoctorSettings(env: Record<string, string>) {
  return {
    PUBLIC_URL: 'https://localhost:1',
    BFF_SECRETS: testSecret(),
    OIDC_ISSUER: idp.issuer,
    OIDC_CLIENT_ID: 'portico-test',
    OIDC_CLIENT_SECRET: 'test-client-secret',
    ...env,
  }
}

test('no variable of the process takes the place of a setting that is not given', async () => {
  // Nothing listens there.
  vi.stubEnv('HTTP_PROXY', 'http://127.0.0.1:1')
  onTestFinished(() => void vi.unstubAllEnvs())
  const env = { HTTPS_PROXY: 'http://127.0.0.1:1' }
  const portico = closeAfterTest(await startPortico({ issuer: idp.issuer, env }))
  expect((await logInAtScripted(portico, idp)).response.status).toBe(200)

  vi.stubEnv('HTTPS_PROXY', 'http://127.0.0.1:1')
  const settings = toDoctorSettings({ OIDC_ISSUER: 'https://idp.invalid', HTTP_PROXY: 'http://127.0.0.1:2' })
  expect((await examine(settings, systemClock)).map(toLine)).toContain(
    'pass forward proxy: the provider is called through 127.0.0.1:2',
  )
})

import { createHash } from 'node:crypto'
import request from 'supertest'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { logInAtScripted, readRefusal } from '../../support/login.ts'
import { handshake, openConnection } from '../../support/network/raw-http.ts'
import { startPortico, type TestPortico } from '../../support/portico.ts'
import { type ScriptedProvider, startScriptedProvider } from '../../support/providers/scripted-provider.ts'
import { type RawUpstream, startRawUpstream, toResponse } from '../../support/upstreams/raw-upstream.ts'

/** The dev server of an app, behind Portico by SPA_DEV_URL. */

let idp: ScriptedProvider
let devServer: RawUpstream
let portico: TestPortico
beforeAll(async () => {
  idp = await startScriptedProvider()
  devServer = await startRawUpstream()
  portico = await startPortico({ issuer: idp.issuer, env: { SPA_DEV_URL: devServer.origin } })
  idp.follow(portico.clock)
})
afterAll(async () => {
  await portico.close()
  await devServer.close()
  await idp.close()
})
beforeEach(() => {
  devServer.requests.length = 0
  devServer.answer = toResponse(
    '200 OK',
    ['Content-Type: text/html', 'Cache-Control: no-cache'],
    '<p>app</p>',
  )
})

const received = () => devServer.requests.map(({ line }) => line)

test('what is not of Portico goes to the dev server, with every method', async () => {
  for (const path of ['/', '/orders/5?x=1', '/@vite/client', '/node_modules/.vite/deps/a.js', '/apix']) {
    expect((await request(portico.url).get(path)).text).toBe('<p>app</p>')
  }
  expect((await request(portico.url).post('/graphql').send({ a: 1 })).text).toBe('<p>app</p>')
  expect(devServer.requests.at(-1)?.body).toBe('{"a":1}')
  expect(received()).toEqual([
    'GET / HTTP/1.1',
    'GET /orders/5?x=1 HTTP/1.1',
    'GET /@vite/client HTTP/1.1',
    'GET /node_modules/.vite/deps/a.js HTTP/1.1',
    'GET /apix HTTP/1.1',
    'POST /graphql HTTP/1.1',
  ])
})

test('what is of Portico stays here', async () => {
  for (const path of ['/api/unknown', '/.well-known/unknown']) {
    expect((await request(portico.url).get(path)).body.code).toBe('not_found')
  }
  expect((await request(portico.url).get('/livez')).body).toEqual({ status: 'ok' })
  expect(received()).toEqual([])
})

test('no cookie reaches the dev server, nor one of it the browser; all other headers pass', async () => {
  devServer.answer = toResponse('200 OK', [
    'Set-Cookie: a=b',
    'Strict-Transport-Security: max-age=1',
    'Access-Control-Allow-Origin: *',
    'Cache-Control: max-age=31536000,immutable',
  ])
  const { browser } = await logInAtScripted(portico, idp)
  expect(browser.cookies(portico.url).size).toBeGreaterThan(0)
  const { headers } = await browser.fetch(`${portico.url}/src/main.ts`, {
    headers: { authorization: 'Bearer x' },
  })
  const lines = devServer.requests[0]?.headers.join('\n') ?? ''
  expect(lines).not.toMatch(/^cookie:/im)
  expect(lines).toMatch(/^authorization: Bearer x$/im)
  expect(lines).toMatch(/^sec-fetch-mode: cors$/im)
  expect(lines).toContain(`host: ${new URL(portico.url).host}`)
  expect(Object.fromEntries(headers)).toMatchObject({
    'access-control-allow-origin': '*',
    'cache-control': 'max-age=31536000,immutable',
    'x-request-id': expect.any(String),
  })
  for (const name of [
    'set-cookie',
    'strict-transport-security',
    'content-security-policy',
    'x-frame-options',
  ]) {
    expect([name, headers.get(name)]).toEqual([name, null])
  }
})

test('what the dev server refuses is in the log as any refusal', async () => {
  devServer.answer = toResponse('500 Internal Server Error')
  await request(portico.url).get('/broken')
  const line = () => portico.logged.find(({ path }) => path === '/broken')
  await expect.poll(line).toMatchObject({ level: 'info', event: 'request_completed', status: 500 })
})

test('a redirect of the dev server leads where it says', async () => {
  devServer.answer = toResponse('302 Found', ['Location: /shop/'])
  const { status, headers } = await request(portico.url).get('/shop').redirects(0)
  expect([status, headers.location]).toEqual([302, '/shop/'])
})

describe('a WebSocket connection', () => {
  const lines = ['Cookie: __Host-portico=secret', 'Origin: https://app.example.com', ...handshake]

  test('of the app goes to the dev server, without cookies', async () => {
    devServer.answer = ({ headers, socket }) => {
      const key = headers.find((line) => /^sec-websocket-key/i.test(line))?.split(': ')[1] ?? ''
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
      socket.removeAllListeners('data').on('data', (chunk) => socket.write(chunk.toString().toUpperCase()))
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      )
    }
    const { socket, text, closed } = openConnection(portico.url, '/?token=t', lines, 'early ')
    await expect.poll(text).toMatch(/^HTTP\/1\.1 101 .*EARLY $/s)
    expect(received()).toEqual(['GET /?token=t HTTP/1.1'])
    const sent = devServer.requests[0]?.headers.join('\n') ?? ''
    expect(sent).toMatch(/^origin: https:\/\/app\.example\.com$/im)
    expect(sent).not.toMatch(/secret/)
    socket.end()
    await closed
    await expect.poll(() => devServer.sockets.size).toBe(0)
  })

  test('of an address of Portico does not', async () => {
    for (const path of ['/api/session', '/api/proxy/orders', '/livez']) {
      const { socket, text } = openConnection(portico.url, path, lines)
      await expect.poll(text).toMatch(/^HTTP\/1\.1 (?:200|403|404) /)
      socket.destroy()
    }
    expect(received()).toEqual([])
  })
})

test('a dev server that does not run: a page says what to do, and it is asked again next time', async () => {
  const stopped = await startRawUpstream()
  const other = await startPortico({ issuer: idp.issuer, env: { SPA_DEV_URL: stopped.origin } })
  await stopped.close()
  const answer = await fetch(`${other.url}/src/main.ts`)
  expect(await readRefusal(answer)).toBe('502 dev_server_unavailable')
  const page = await request(other.url)
    .get('/orders')
    .set({ accept: 'text/html', 'sec-fetch-mode': 'navigate' })
  expect(page.text).toContain(`There is no answer from ${stopped.origin} (SPA_DEV_URL)`)
  expect(page.text).toContain('npm run dev')
  expect(page.headers['content-security-policy']).toContain("default-src 'none'")
  await other.close()
})

import { createServer } from 'node:http'
import { connect } from 'node:net'
import type { RequestHandler } from 'express'
import { describe, expect, onTestFinished } from 'vitest'
import type { AccessOptions } from '../../../src/portico.ts'
import { closeAfterTest, idp, providerPerFile } from '../../support/fixtures.ts'
import { startHost } from '../../support/host.ts'
import { csrf } from '../../support/login.ts'

const test = providerPerFile()

async function start(options: Omit<Parameters<typeof startHost>[0], 'issuer'> = {}) {
  const host = closeAfterTest(await startHost({ issuer: idp.issuer, ...options }))
  idp.follow(host.clock)
  return host
}

/** Sends a GET with a target that no client library would send; returns the status line. */
const ask = (url: string, target: string) =>
  new Promise<string>((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    let answer = ''
    socket.on('data', (data) => (answer += data)).on('error', reject)
    socket.on('close', () => resolve(answer.split('\r\n', 1)[0] ?? ''))
    socket.write(`GET ${target} HTTP/1.1\r\nHost: app.example.com\r\nX-CSRF: 1\r\nConnection: close\r\n\r\n`)
  })

describe('addresses', () => {
  test.each(['', '/shop'])('a target in absolute form is an address, too, below "%s"', async (path) => {
    const host = await start({ path })
    expect(await ask(host.url, `http://app.example.com${path}/api/session`)).toBe('HTTP/1.1 200 OK')
  })

  test('an empty segment is no parameter: the address is the host app’s', async () => {
    const host = await start({ routes: (app) => app.use((_req, res) => void res.send('of the app')) })
    const answers = ['/api/callback//', '/api/sessions//'].map(async (path) =>
      (await fetch(host.url + path)).text(),
    )
    expect(await Promise.all(answers)).toEqual(['of the app', 'of the app'])
  })
})

test('a query that the app has replaced for good is read as it came', async () => {
  const replace: RequestHandler = (req, _res, next) => {
    Object.defineProperty(req, 'query', { value: { provider: 'of-the-host' }, writable: true })
    next()
  }
  const host = await start({ before: [replace] })
  const ask = async (query: string) =>
    (await fetch(`${host.url}/api/login${query}`, { headers: csrf })).status
  expect([await ask(''), await ask('?provider=default'), await ask('?provider=no')]).toEqual([200, 200, 400])
})

test('no header of the app lets a cache in front keep an answer of Portico', async () => {
  const names = ['CDN-Cache-Control', 'Surrogate-Control', 'Edge-Control', 'X-Accel-Expires', 'Expires']
  const cache: RequestHandler = (_req, res, next) => {
    for (const name of names) res.setHeader(name, 'max-age=60')
    next()
  }
  const host = await start({ before: [cache] })
  const { headers } = await fetch(`${host.url}/api/session`, { headers: csrf })
  expect([headers.get('cache-control'), ...names.map((name) => headers.get(name))]).toEqual([
    'no-store',
    ...names.map(() => null),
  ])
})

describe('requireSession', () => {
  test.each<[string, object]>([
    ['an unset scope', { scope: undefined }],
    ['an empty scope', { scope: '' }],
    ['no group', { groups: [] }],
    ['a group without a name', { groups: ['Sales', ''] }],
    ['an unset provider', { providers: [undefined] }],
    ['a misspelt option', { group: ['Sales'] }],
  ])('with %s does not let everyone pass', async (_name, access) => {
    const { portico } = await start()
    expect(() => portico.requireSession(access as AccessOptions)).toThrow(TypeError)
  })

  // Express 4 and node:http handle no rejection of a middleware, which would end the process.
  test.each(['answered already', 'no request of Express'])('never rejects: %s', async (name) => {
    const host = await start()
    const guard = host.portico.requireSession()
    const errors: unknown[] = []
    const server = createServer(async (req, res) => {
      Object.assign(req, { originalUrl: req.url })
      if (name === 'answered already') {
        Object.assign(req, { get: () => undefined, accepts: () => 'json' })
        res.end('late')
      }
      await guard(req, res, (error) => void errors.push(error))
      res.end()
    })
    onTestFinished(() => void server.close())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    await fetch(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/orders`)
    await expect.poll(() => errors).toEqual([expect.any(Error)])
  })
})

import { createRequire } from 'node:module'
import { connect } from 'node:net'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import express, { type RequestHandler } from 'express'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { generatePrivateJwk, type SigningKey, toSigningKey } from '../src/app-token/signing-key.ts'
import { requireToken } from '../src/verify/verify.ts'
import { startTestServer } from '../test/support/network/http-server.ts'
import { describeRun, toSentence } from './report/run.ts'
import { toDigits, toTable } from './report/text.ts'

/**
 * Measures what it costs an API to check an app token with known keys, beside an Express handler that checks
 * nothing: all servers are in this process and take turns in slices of a few milliseconds, so that what
 * disturbs meets all of them. CPU time includes that of the client. `npm run bench:verify`; with `-- --peers
 * {folder}` also express-oauth2-jwt-bearer, if it is installed there.
 */
const { values: options } = parseArgs({
  options: { peers: { type: 'string' }, seconds: { type: 'string', default: '30' } },
})
/** Requests that are sent at once, and how often in one slice. */
const [pipelined, repeated] = [8, 25]
const issuer = 'http://127.0.0.1'
/** Tokens of many users: more than the verifier remembers. */
const manyTokens = 10_500

/** A server whose clients present these tokens by turns. */
interface Variant {
  name: string
  guard?: RequestHandler
  tokens: readonly string[]
}

const print = (text: string) => process.stdout.write(`${text}\n`)
print(`${toSentence(describeRun())}\n`)
const rows: string[][] = []
for (const alg of ['ES256', 'RS256', 'EdDSA'] as const) {
  const key = await toSigningKey(await generatePrivateJwk(alg), alg)
  const keyServer = await startTestServer()
  keyServer.serve((_req, res) => {
    res.setHeader('content-type', 'application/json')
    res.end(JSON.stringify({ keys: [key.publicJwk] }))
  })
  rows.push(...(await measure(alg, listVariants(key, keyServer.origin))))
  await keyServer.close()
}
print(toTable(['Express', 'CPU of one request, µs', 'more than bare', 'share of bare'], rows))
process.exit()

function listVariants(key: SigningKey, jwksUri: string): Variant[] {
  const { alg } = key
  const all = Array.from({ length: manyTokens }, (_, index) => mint(key, `user-${index}`))
  const one = all.slice(0, 1)
  const keys = createRemoteJWKSet(new URL(jwksUri))
  const expected = { issuer, audience: issuer, typ: 'at+jwt', algorithms: [alg] }
  const jose: RequestHandler = async (req, _res, next) => {
    const [, token = ''] = /^Bearer (\S+)$/.exec(req.get('authorization') ?? '') ?? []
    await jwtVerify(token, keys, expected)
    next()
  }
  return [
    { name: 'bare', tokens: one },
    { name: 'requireToken, a token that it knows', guard: requireToken({ issuer, jwksUri }), tokens: one },
    { name: 'requireToken, a new token each time', guard: requireToken({ issuer, jwksUri }), tokens: all },
    { name: `jose ${readVersion('jose')}`, guard: jose, tokens: one },
    ...listPeers(jwksUri, alg).map((peer) => ({ ...peer, tokens: one })),
  ]
}

/** The version of a package, as it is installed in this repository or in the folder of the peers. */
function readVersion(name: string, from = join(import.meta.dirname, '..')): string {
  const require = createRequire(join(from, 'package.json'))
  const manifest = `${require.resolve.paths(name)?.[0]}/${name}/package.json`
  return (require(manifest) as { version: string }).version
}

function listPeers(jwksUri: string, alg: string): Pick<Variant, 'name' | 'guard'>[] {
  if (options.peers === undefined) return []
  const name = 'express-oauth2-jwt-bearer'
  const require = createRequire(join(options.peers, 'package.json'))
  const { auth } = require(name) as { auth(given: object): RequestHandler }
  const given = { issuer, audience: issuer, jwksUri, tokenSigningAlg: alg, strict: true }
  return [{ name: `${name} ${readVersion(name, options.peers)}`, guard: auth(given) }]
}

/** A token as Portico mints it, valid for longer than the bench takes. */
function mint(key: SigningKey, sub: string): string {
  const iat = Math.floor(Date.now() / 1000)
  return key.signJwt('at+jwt', {
    name: 'Ada Lovelace',
    email: 'ada@example.com',
    email_verified: true,
    groups: ['Everyone', 'Admins'],
    iss: issuer,
    sub,
    aud: issuer,
    idp: 'default',
    client_id: 'portico',
    scope: 'openid profile email offline_access orders:read',
    iat,
    exp: iat + 3_600,
    jti: sub,
    sid: 'x'.repeat(43),
    auth_time: iat,
  })
}

/** Starts a server; returns what sends it so many pipelines of requests. */
async function start({ guard, tokens }: Variant): Promise<(times: number) => Promise<void>> {
  const server = await startTestServer()
  // On a busy machine, it is long until a connection has its next turn.
  server.server.keepAliveTimeout = 0
  const app = express()
  if (guard !== undefined) app.use(guard)
  app.get('/', (_req, res) => void res.json({ ok: true }))
  server.serve(app)
  const requests = tokens.map((token) =>
    Buffer.from(`GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`),
  )
  const socket = connect(Number(new URL(server.origin).port), '127.0.0.1').setEncoding('latin1')
  let [next, left, received] = [0, 0, '']
  let [done, fail] = [() => {}, (_error: Error) => {}]
  const send = () => {
    const batch = Array.from({ length: pipelined }, (_, index) => requests[(next + index) % requests.length])
    next += pipelined
    socket.write(Buffer.concat(batch as Buffer[]))
  }
  socket.on('close', () => fail(new Error('the connection was closed')))
  socket.on('data', (text: string) => {
    // An answer may come in two pieces.
    received += text
    if (received.split('{"ok":true}').length - 1 < pipelined) {
      if (/^HTTP\/1\.1 [345]/m.test(received)) fail(new Error(`not each request passed: ${received}`))
      return
    }
    received = ''
    left -= 1
    if (left > 0) send()
    else done()
  })
  return (times) =>
    new Promise((resolve, reject) => {
      done = resolve
      fail = reject
      left = times
      send()
    })
}

async function measure(alg: string, variants: readonly Variant[]): Promise<string[][]> {
  const loads = await Promise.all(variants.map(start))
  for (const load of [...loads, ...loads]) await load(250)
  /** Microseconds of each request, by variant and slice. */
  const costs = variants.map((): number[] => [])
  const endAt = performance.now() + 1_000 * Number(options.seconds)
  for (let round = 0; performance.now() < endAt; round += 1) {
    for (let turn = 0; turn < loads.length; turn += 1) {
      const index = (round + turn) % loads.length
      const before = process.cpuUsage()
      await loads[index]?.(repeated)
      const { user, system } = process.cpuUsage(before)
      costs[index]?.push((user + system) / (pipelined * repeated))
    }
  }
  const middles = costs.map((own) => own.toSorted((a, b) => a - b)[Math.floor(own.length / 2)] ?? Number.NaN)
  const [bare = Number.NaN] = middles
  return middles.map((cost, index) => [
    `${alg}: ${variants[index]?.name}`,
    toDigits(cost),
    ...(index === 0 ? ['', ''] : [toDigits(cost - bare), `${Math.round((100 * (cost - bare)) / bare)} %`]),
  ])
}

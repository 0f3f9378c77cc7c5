import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { freePort } from '../test/support/network/http-server.ts'
import { type Cost, type Running, toSpread } from './measure.ts'
import { createOperationBench } from './operation-bench.ts'
import { type Measured, startMeasured } from './processes.ts'
import { describeRun, toSentence } from './report/run.ts'
import { toDigits, toTable, withSpread } from './report/text.ts'
import { cores, startSurroundings } from './surroundings.ts'
import { listTargets, type Target } from './targets.ts'

/**
 * Measures a page behind nginx, which asks an auth server about each request (auth_request): Portico's forward
 * auth beside oauth2-proxy, behind the same nginx and by turns, with the same page unprotected as the measure.
 * `npm run bench:forward-auth`
 */
const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, rounds: { type: 'string' } },
})
const rounds = Number(options.rounds ?? (options.quick ? 3 : 9))
const [duration, warmUp] = options.quick ? [500, 700] : [2_000, 5_000]

/** How nginx asks: the path, and the header of the answer that names the user. */
interface Asking {
  /** What the auth server serves itself: the login. */
  ownPaths: string
  path: string
  userHeader: string
}
const asking: Readonly<Record<'this' | 'peer', Asking>> = {
  this: { ownPaths: '/api/', path: '/api/forward-auth?claims=email', userHeader: 'x_auth_email' },
  peer: { ownPaths: '/oauth2/', path: '/oauth2/auth', userHeader: 'x_auth_request_email' },
}

/** What nginx serves at a port, with the auth server behind it. */
interface Site {
  name: string
  port: number
  target: Target
  auth: Measured
  /** Whether nginx asks before it lets a request pass. */
  isProtected: boolean
}

if (spawnSync('nginx', ['-v']).status !== 0) throw new Error('This bench needs nginx on the PATH.')
const folder = mkdtempSync(join(tmpdir(), 'portico-bench-nginx-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const { issuer, upstream, redis, generator, stop } = await startSurroundings()
const sites = await startSites()
const nginx = await startNginx()
const costs = await measure(sites.map(toRunning))
process.stdout.write(`${toSentence(describeRun())}\n\n${toReport(costs)}\n`)
for (const program of [nginx, ...new Set(sites.map(({ auth }) => auth))]) await program.stop()
await stop()
process.exit()

/** Starts each auth server. Behind the first one there is a site without protection, too. */
async function startSites(): Promise<Site[]> {
  const targets = listTargets({ issuer, upstream, redisUrl: redis.url, entry: 'src/main.ts' }).filter(
    ({ name }) => ['Portico, memory', 'Portico, Redis'].includes(name) || name.startsWith('oauth2-proxy'),
  )
  const started: Site[] = []
  for (const target of targets) {
    const [port, authPort] = [await freePort(), await freePort()]
    // Where it listens, and where browsers find it, are two addresses here.
    const env = {
      ...target.toEnv(`http://127.0.0.1:${port}`),
      ...(target.kind === 'peer' && { OAUTH2_PROXY_HTTP_ADDRESS: `127.0.0.1:${authPort}` }),
    }
    const program = { command: target.command, env, port: authPort, core: cores.servers, ready: target.ready }
    started.push({ name: target.name, port, target, auth: await startMeasured(program), isProtected: true })
  }
  const [first] = started
  if (first === undefined) throw new Error('There is no auth server.')
  return [
    { ...first, name: 'none: the page is open', port: await freePort(), isProtected: false },
    ...started,
  ]
}

/** Starts nginx for all sites as one process, so that its CPU time can be read: it has no master. */
async function startNginx(): Promise<Measured> {
  const file = join(folder, 'nginx.conf')
  const kept = 'keepalive 64; keepalive_requests 1000000; keepalive_timeout 4s;'
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  )
  const lines = [
    `daemon off; master_process off; error_log stderr; pid ${folder}/pid;`,
    'events { worker_connections 1024; }',
    'http {',
    `access_log off; keepalive_requests 1000000; ${temporary.join(' ')}`,
    `proxy_http_version 1.1;`,
    `upstream app { server ${new URL(upstream).host}; ${kept} }`,
    ...sites.map((site) => `upstream ${toUpstream(site)} { server 127.0.0.1:${site.auth.port}; ${kept} }`),
    ...sites.map(toServerBlock),
    '}',
  ]
  writeFileSync(file, lines.join('\n'))
  const command = ['nginx', '-c', file, '-e', 'stderr']
  const port = sites[0]?.port ?? 0
  return startMeasured({ command, env: {}, port, core: cores.servers, ready: '/ready' })
}

function toUpstream({ port }: Site): string {
  return `auth_of_${port}`
}

function toServerBlock(site: Site): string {
  const { ownPaths, path, userHeader } = asking[site.target.kind === 'this' ? 'this' : 'peer']
  const auth = `http://${toUpstream(site)}`
  const protection = `auth_request /_ask; auth_request_set $user $upstream_http_${userHeader};`
  return `
server {
  listen 127.0.0.1:${site.port};
  location = /ready { return 204; }
  location ${ownPaths} {
    proxy_pass ${auth};
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
  }
  location /pages/ {
    ${site.isProtected ? protection : 'set $user anyone;'}
    proxy_pass http://app;
    proxy_set_header Connection "";
    proxy_set_header X-User $user;
    proxy_set_header Cookie "";
  }
  location = /_ask {
    internal;
    proxy_pass ${auth}${path};
    proxy_pass_request_body off;
    proxy_set_header Connection "";
    proxy_set_header Content-Length "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Original-Method $request_method;
    proxy_set_header X-Original-URI $request_uri;
    proxy_set_header X-Forwarded-For $remote_addr;
  }
}`
}

/** A site as a server under measurement: what it costs is the CPU time of nginx and of its auth server. */
function toRunning({ name, port, target, auth }: Site): Running {
  return {
    target: { ...target, name, dialect: { ...target.dialect, proxied: '/pages/1' } },
    server: { ...auth, port, cpu: () => nginx.cpu() + auth.cpu() },
  }
}

/** Measures the sites in turn, round by round. */
async function measure(running: readonly Running[]): Promise<Map<string, Cost[]>> {
  const bench = createOperationBench(generator, 'proxied-get', { sessions: 64 })
  for (const one of running) await bench.closed(one, warmUp)
  const measured = new Map(running.map(({ target }) => [target.name, [] as Cost[]]))
  for (let round = 0; round < rounds; round += 1) {
    for (const one of running) measured.get(one.target.name)?.push(await bench.closed(one, duration))
  }
  return measured
}

/** The last column compares within a round; empty where oauth2-proxy is not on the PATH. */
function toReport(measured: ReadonlyMap<string, readonly Cost[]>): string {
  const peer = [...measured].find(([name]) => name.startsWith('oauth2-proxy'))?.[1]
  const rows = [...measured].map(([name, known]) => [
    name,
    withSpread(toSpread(known.map(({ rate }) => rate)), toDigits),
    withSpread(toSpread(known.map(({ cpu }) => cpu * 1000)), toDigits),
    peer === undefined
      ? ''
      : withSpread(toSpread(known.map(({ cpu }, round) => cpu / (peer[round]?.cpu ?? Number.NaN))), (value) =>
          value.toFixed(2),
        ),
  ])
  const head = ['auth server behind nginx', 'requests a second', 'CPU of both for a request, µs']
  return toTable([...head, 'as a share of oauth2-proxy'], rows)
}

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { signInAtDemo } from '../support/deployments/demo-sign-in.ts'
import { freePort, startTestServer } from '../support/network/http-server.ts'
import { root, startProcess, type TestProcess } from '../support/processes/start-process.ts'
import { startRedis } from '../support/redis/start-redis.ts'

interface Compose {
  services: {
    demo: { command: string[]; ports: string[] }
    portico: { environment: Record<string, string> }
  }
}
const { services } = parse(readFileSync(join(root, 'compose.yaml'), 'utf8')) as Compose

const closers: (() => unknown)[] = []
afterAll(async () => {
  for (const close of closers.reverse()) await close()
})
const keep = (started: TestProcess) => {
  closers.push(() => started.stop('SIGKILL'))
  return started
}

/** The first of three ports in a row on which nothing listens. */
async function threePorts(): Promise<number> {
  const first = await freePort()
  const isFree = (port: number) =>
    startTestServer(port).then(
      (server) => server.close().then(() => true),
      () => false,
    )
  return (await isFree(first + 1)) && (await isFree(first + 2)) ? first : threePorts()
}

test('the commands of compose.yaml, as processes: a user signs in, and the sample API takes the token', async () => {
  const secrets = mkdtempSync(join(tmpdir(), 'portico-compose-'))
  closers.push(() => rmSync(secrets, { recursive: true }))
  const redis = await startRedis()
  closers.push(() => redis.close())
  const [site, porticoPort] = [await threePorts(), await freePort()]
  // The same but for what a container has to itself: ports, the folder, and the name of Valkey.
  const moved = (text: string) =>
    text
      .replace(/\b300([012])\b/, (_port, offset: string) => String(site + Number(offset)))
      .replace(/^8080$/, String(porticoPort))
      .replace(/^\/secrets/, secrets)
      .replace('redis://valkey:6379', redis.url)
      .replace('0.0.0.0', '127.0.0.1')
  await keep(startProcess('demo/container.ts', services.demo.command.map(moved), {})).line(/http:/)
  const environment = Object.entries(services.portico.environment)
  const portico = keep(
    startProcess('src/main.ts', ['serve'], {
      NODE_ENV: 'production',
      ...Object.fromEntries(environment.map(([name, value]) => [name, moved(value)])),
    }),
  )
  await portico.line(/"provider_discovered"/)

  const url = `http://localhost:${site}`
  expect(await (await fetch(url)).text()).toContain('<script')
  expect(await signInAtDemo(url)).toEqual({ token: 200, orders: 200 })
  expect(portico.output.text).not.toMatch(/"level":"(warn|error)"/)
})

test('compose.yaml publishes ports of this machine only', () => {
  expect(services.demo.ports).toEqual(['3000', '3001', '3002'].map((port) => `127.0.0.1:${port}:${port}`))
})

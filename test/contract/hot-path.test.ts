import { createHook } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRedisStore } from '../../src/session/redis/store.ts'
import type { Log } from '../../src/telemetry/events.ts'
import { createTestClock } from '../support/clock.ts'
import { logInAtScripted } from '../support/login.ts'
import { startPortico, type TestPortico } from '../support/portico.ts'
import { type ScriptedProvider, startScriptedProvider } from '../support/providers/scripted-provider.ts'
import { connectRedis } from '../support/redis/redis-connection.ts'
import { startRedis, type TestRedis } from '../support/redis/start-redis.ts'
import { lifetimes } from '../support/session-fixture.ts'

/** What a session check does not do. By counts, not by time: each of these cost more than the check itself. */

const checks = 50

let idp: ScriptedProvider
let redis: TestRedis
beforeAll(async () => {
  ;[idp, redis] = await Promise.all([startScriptedProvider(), startRedis()])
})
afterAll(() => Promise.all([idp.close(), redis.close()]))

/** Sends the same request again and again over one connection; returns the status of each answer. */
async function repeat(url: string, cookie: string): Promise<string[]> {
  const { port } = new URL(url)
  const socket = connect(Number(port), '127.0.0.1').setEncoding('utf8')
  const request = `GET /api/session HTTP/1.1\r\nHost: localhost\r\nX-CSRF: 1\r\nCookie: ${cookie}\r\n\r\n`
  const answers: string[] = []
  for (let sent = 0; sent < checks; sent += 1) {
    socket.write(request)
    const answer = await new Promise<string>((resolve) => socket.once('data', resolve))
    expect(answer).toContain('"active":true')
    answers.push(answer.slice(9, 12))
  }
  socket.destroy()
  return answers
}

/** Counts what the server makes meanwhile: timers by the files that make them, and abort controllers. */
async function count(during: () => Promise<unknown>) {
  const timers: string[] = []
  let abortControllers = 0
  const hook = createHook({
    init(_id, type) {
      if (type === 'Timeout') timers.push(new Error('made here').stack ?? '')
    },
  }).enable()
  const { AbortController: Original } = globalThis
  globalThis.AbortController = class extends Original {
    constructor() {
      super()
      abortControllers += 1
    }
  }
  try {
    await during()
  } finally {
    hook.disable()
    globalThis.AbortController = Original
  }
  // The Redis client pings at times, whatever is asked.
  const ofChecks = timers.filter((stack) => !stack.includes('setPingTimer'))
  const ofTheServer = ofChecks.filter((stack) => /\/src\/|node_modules\/(?!.*vitest)/.test(stack))
  return { timers: ofTheServer, abortControllers }
}

describe.each(['memory', 'Redis'])('a session check, sessions in %s', (kind) => {
  const clock = createTestClock()
  const logged: string[] = []
  // The level is "warn": nothing that a check could log is written.
  const log: Log = Object.assign((event: string) => void logged.push(event), { isWritten: () => false })
  let portico: TestPortico
  let cookie: string

  beforeAll(async () => {
    const store =
      kind === 'memory'
        ? {}
        : {
            store: createRedisStore({
              connection: await connectRedis(redis.url),
              secrets: [randomBytes(32)],
              lifetimes,
              clock,
              log,
            }),
          }
    portico = await startPortico({ issuer: idp.issuer, replaced: { clock, log, ...store } })
    const { browser } = await logInAtScripted(portico, idp)
    cookie = [...browser.cookies(portico.url)].map(([name, value]) => `${name}=${value}`).join('; ')
    await repeat(portico.url, cookie)
  })
  afterAll(() => portico.close())

  test('makes no timer and no AbortController', async () => {
    const made = await count(() => repeat(portico.url, cookie))
    expect(made).toEqual({ timers: [], abortControllers: 0 })
  })

  test('assembles nothing for the log where nothing is written', async () => {
    logged.length = 0
    await repeat(portico.url, cookie)
    expect(logged).toEqual([])
  })

  test('sets no cookie', async () => {
    const { headers } = await fetch(`${portico.url}/api/session`, { headers: { cookie, 'x-csrf': '1' } })
    expect(headers.get('set-cookie')).toBeNull()
  })
})

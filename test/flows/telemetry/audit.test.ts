import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished } from 'vitest'
import { findAuditProblems } from '../../support/audit-schema.ts'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { minutes } from '../../support/clock.ts'
import { closeAfterTest, idp, providerPerFile } from '../../support/fixtures.ts'
import { csrf, logInAtScripted, startLogin } from '../../support/login.ts'
import { startPortico, type TestPortico, testSecret, toOperatorUrl } from '../../support/portico.ts'

const test = providerPerFile()
const operatorSecret = testSecret()

interface AuditRecord {
  event: { action: string; code?: string }
  user?: { id?: string; hash?: string }
  labels?: Record<string, unknown>
  http?: { request: { id: string } }
}

function createFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'portico-audit-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

const readLines = (path: string): AuditRecord[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AuditRecord)

/** The path of an open file; empty where it was closed meanwhile. */
function readLink(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`)
  } catch {
    return ''
  }
}

async function start(env: Record<string, string> = {}) {
  const path = join(createFolder(), 'audit.log')
  const portico = closeAfterTest(
    await startPortico({
      issuer: idp.issuer,
      env: {
        AUDIT_LOG: path,
        LOG_LEVEL: 'silent',
        OPERATOR_SECRET: operatorSecret,
        OPERATOR_PORT: '0',
        RATE_LIMIT_LOGIN: '20/1m',
        ...env,
      },
    }),
  )
  idp.follow(portico.clock)
  return { portico, path, read: () => readLines(path) }
}

const operate = (portico: TestPortico, method: string, path: string, secret = operatorSecret) =>
  fetch(`${toOperatorUrl(portico)}/operator/${path}`, {
    method,
    headers: { authorization: `Bearer ${secret}` },
  })

const sessionsOfGrace = 'subjects/00u-grace/sessions'

/** The provider says that a user signed out there. */
async function logOutAtProvider(portico: TestPortico, more: object = {}): Promise<Response> {
  const { goodKey: key } = idp
  const now = Math.floor(portico.clock.now() / 1000)
  const token = await idp.sign(
    key,
    { alg: 'RS256', kid: key.kid, typ: 'logout+jwt' },
    {
      iss: idp.issuer,
      aud: 'portico-test',
      iat: now,
      exp: now + 120,
      jti: randomUUID(),
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
      sub: '00u-grace',
      ...more,
    },
  )
  return createTestBrowser().fetch(`${portico.url}/api/backchannel-logout`, {
    method: 'POST',
    headers: { 'sec-fetch-mode': undefined, 'sec-fetch-site': undefined, accept: '*/*' },
    body: new URLSearchParams({ logout_token: token }),
  })
}

const logOut = (portico: TestPortico, browser: TestBrowser) =>
  browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })

/** Everything that is audited of one morning: sign-ins, refusals, sign-outs, and what machines do. */
async function live(portico: TestPortico): Promise<string[]> {
  const secrets: string[] = []
  idp.script({
    tokenResponse(body) {
      for (const name of ['access_token', 'refresh_token', 'id_token']) secrets.push(String(body[name]))
      return body
    },
    onTokenRequest({ code_verifier: verifier }) {
      if (verifier !== undefined) secrets.push(verifier)
    },
  })
  const signIn = async (browser = createTestBrowser()) => {
    const { parameters } = await logInAtScripted(portico, idp, { browser })
    secrets.push(parameters.get('code') ?? '', parameters.get('state') ?? '')
    secrets.push(...browser.cookies(portico.url).values())
    return browser
  }

  const first = await signIn()
  await signIn(first)
  const refused = createTestBrowser()
  const { searchParams } = new URL(await startLogin(portico, refused))
  const state = searchParams.get('state') ?? ''
  await refused.fetch(`${portico.url}/api/callback?${new URLSearchParams({ state, error: 'access_denied' })}`)
  await first.fetch(`${portico.url}/api/session`)
  await logOut(portico, first)

  await signIn()
  await logOutAtProvider(portico)
  await logOutAtProvider(portico, { exp: 1 })
  await createTestBrowser().visit(`${portico.url}/api/frontchannel-logout`)
  await createTestBrowser().fetch(`${portico.url}/api/introspect`, { method: 'POST' })

  const last = await signIn()
  const listed = await last.fetch(`${portico.url}/api/sessions`, { headers: csrf })
  const { sessions } = (await listed.json()) as { sessions: { id: string }[] }
  await last.fetch(`${portico.url}/api/sessions/${sessions[0]?.id}`, { method: 'DELETE', headers: csrf })
  await signIn()
  await operate(portico, 'DELETE', sessionsOfGrace, testSecret())
  await operate(portico, 'DELETE', sessionsOfGrace)
  await signIn()
  portico.clock.advance(1)
  await operate(portico, 'DELETE', 'sessions')
  for (const method of ['POST', 'DELETE']) await operate(portico, method, 'drain')
  for (let count = 0; count < 20; count += 1) await createTestBrowser().fetch(`${portico.url}/api/login`)
  idp.reset()
  return [...secrets, operatorSecret, 'test-client-secret']
}

/** The actions of `live`, without the rate limit's, of which there are several. */
const actions = [
  'signing_keys_changed',
  'login_succeeded',
  'session_superseded',
  'login_succeeded',
  'login_failed',
  'csrf_check_failed',
  'logout_succeeded',
  'login_succeeded',
  'backchannel_logout_succeeded',
  'backchannel_logout_refused',
  'frontchannel_logout_refused',
  'introspection_refused',
  'login_succeeded',
  'session_ended_by_user',
  'login_succeeded',
  'operator_refused',
  'sessions_ended_by_operator',
  'login_succeeded',
  'sessions_ended_by_operator',
  'operator_acted',
  'operator_acted',
  'operator_acted',
  'request_limited',
]

describe('the story of a morning', () => {
  test('every record is as docs/audit.md and ECS say, and none holds a secret', async () => {
    const { portico, path, read } = await start()
    const secrets = await live(portico)
    const records = read()
    expect([...new Set(records.map(({ event }) => event.action))].sort()).toEqual(
      [...new Set(actions)].sort(),
    )
    expect(records.map(({ event }) => event.action).filter((one) => one !== 'request_limited')).toEqual(
      actions.slice(0, -1),
    )
    expect(records.flatMap(findAuditProblems)).toEqual([])
    const text = readFileSync(path, 'utf8')
    expect(secrets.length).toBeGreaterThan(25)
    for (const secret of secrets) {
      expect(secret.length).toBeGreaterThan(10)
      expect(text).not.toContain(secret)
    }
  })

  test('the records of one login and its session can be joined', async () => {
    const { portico, read } = await start()
    const { browser, parameters } = await logInAtScripted(portico, idp)
    await logOut(portico, browser)
    const [signIn, signOut] = read().filter(({ event }) => /login|logout/.test(event.action))
    expect(signIn?.labels).toMatchObject({
      login: parameters.get('state')?.split('.')[0],
      session: signOut?.labels?.session,
    })
    expect(signIn?.user?.hash).toMatch(/^h:[\w-]{22}$/)
    expect(signOut?.user).toEqual(signIn?.user)
    expect(signIn?.http?.request.id).not.toBe(signOut?.http?.request.id)
  })
})

test('every act of an operator has a record, also those that are about no user', async () => {
  const { portico, read } = await start()
  await logInAtScripted(portico, idp)
  portico.clock.advance(minutes(5))
  const acts = [
    ['POST', 'keys/rotate'],
    ['POST', 'drain'],
    ['DELETE', 'drain'],
    ['DELETE', 'sessions'],
  ] as const
  for (const [method, path] of acts) expect((await operate(portico, method, path)).status).toBe(200)
  const records = read().filter(({ event }) => event.action.includes('operator'))
  expect(
    records.map(({ event, labels }) => `${event.action} ${labels?.act ?? labels?.session_count}`),
  ).toEqual([
    'operator_acted rotate_keys',
    'operator_acted drain',
    'operator_acted stop_draining',
    'sessions_ended_by_operator 1',
    'operator_acted end_all_sessions',
  ])
  expect(records.flatMap(findAuditProblems)).toEqual([])
  const [changed] = read()
    .filter(({ event }) => event.action === 'signing_keys_changed')
    .slice(-1)
  expect(changed?.labels).toEqual({ because: 'operator' })
})

test.for([
  ['hash', { hash: expect.stringMatching(/^h:[\w-]{22}$/) }, /^h:[\w-]{22}$/],
  ['plain', { id: '00u-grace' }, /^00u-grace$/],
  ['none', undefined, undefined],
] as const)('LOG_SUBJECT=%s: log and audit stream name users alike', async ([kind, inAudit, inLog]) => {
  const { portico, path, read } = await start({ LOG_SUBJECT: kind })
  await logInAtScripted(portico, idp)
  await operate(portico, 'DELETE', sessionsOfGrace)
  for (const action of ['login_succeeded', 'sessions_ended_by_operator']) {
    expect(read().find(({ event }) => event.action === action)?.user).toEqual(inAudit)
    const sub = portico.logged.find(({ event }) => event === action)?.sub
    if (inLog === undefined) expect(sub).toBeUndefined()
    else expect(sub).toMatch(inLog)
  }
  const all = readFileSync(path, 'utf8') + JSON.stringify(portico.logged)
  expect(all.includes('00u-grace')).toBe(kind === 'plain')
})

describe('the file', () => {
  test('keeps its records when a server starts again, and is not for everyone to read', async () => {
    const { portico, path, read } = await start()
    await logInAtScripted(portico, idp)
    const before = read()
    await start({ AUDIT_LOG: path })
    expect(before.length).toBeGreaterThan(1)
    expect(read().slice(0, before.length)).toEqual(before)
    // Its mode is 640, of which a umask may take more away.
    expect(statSync(path).mode & 0o137).toBe(0)
  })

  test('is opened again after it was renamed', async () => {
    const { portico, path, read } = await start()
    await logInAtScripted(portico, idp)
    const before = read().length
    renameSync(path, `${path}.1`)
    portico.components.audit?.reopen()
    await logInAtScripted(portico, idp)
    expect(readLines(`${path}.1`)).toHaveLength(before)
    expect(read().map(({ event }) => event.action)).toEqual(['login_succeeded'])
    // The old file is not held open, or its space would not be free when logrotate deletes it.
    const open = readdirSync('/proc/self/fd').map(readLink)
    expect(open).toContain(path)
    expect(open).not.toContain(`${path}.1`)
  })

  test('that cannot be opened again: the old one stays in use, and the log says so', async () => {
    const { portico, path } = await start()
    renameSync(path, `${path}.1`)
    const folder = join(path, '..')
    renameSync(folder, `${folder}.moved`)
    onTestFinished(() => renameSync(`${folder}.moved`, folder))
    portico.components.audit?.reopen()
    await logInAtScripted(portico, idp)
    expect(portico.logged.filter(({ event }) => event === 'audit_failed')).toMatchObject([
      { level: 'error', reason: 'AUDIT_LOG cannot be opened (ENOENT)' },
    ])
    const kept = readLines(join(`${folder}.moved`, 'audit.log.1'))
    expect(kept.at(-1)?.event.action).toBe('login_succeeded')
  })

  test('that is full: the log says what is lost, and users sign in all the same', async () => {
    const { portico } = await start({ AUDIT_LOG: '/dev/full' })
    expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
    expect(portico.logged.findLast(({ event }) => event === 'audit_failed')).toMatchObject({
      level: 'error',
      lost: 'login_succeeded',
      reason: 'ENOSPC',
    })
  })

  test('that cannot be opened at the start: there is no server', async () => {
    await expect(start({ AUDIT_LOG: '/nowhere/audit.log' })).rejects.toThrow(
      'AUDIT_LOG cannot be opened (ENOENT)',
    )
  })
})

import { describe, expect, vi } from 'vitest'
import { AppError } from '../../../src/errors.ts'
import { auditedEvents } from '../../../src/telemetry/audit/audited-events.ts'
import type { LogEvent } from '../../../src/telemetry/events.ts'
import { createTestBrowser } from '../../support/browser.ts'
import { minutes } from '../../support/clock.ts'
import { readShownId } from '../../support/explained.ts'
import {
  closeAfterTest,
  idp,
  portico,
  serverPerTest,
  signIn,
  writeProvidersFile,
} from '../../support/fixtures.ts'
import { csrf, logInAtScripted, readRefusal, startLogin } from '../../support/login.ts'
import { startPortico, type TestPortico, testSecret, toOperatorUrl } from '../../support/portico.ts'

const secret = testSecret()
const env = { OPERATOR_SECRET: secret, OPERATOR_PORT: '0' }
const test = serverPerTest({ env })

interface Answer {
  events: ({ time: string; event: string } & Record<string, unknown>)[]
  story: string[]
}

function ask(query: string, { at = portico, authorization = `Bearer ${secret}` } = {}): Promise<Response> {
  return fetch(`${toOperatorUrl(at)}/operator/events?${query}`, {
    headers: authorization === '' ? {} : { authorization },
  })
}
const read = async (query: string, at?: TestPortico) =>
  (await (await ask(query, at && { at })).json()) as Answer
const namesOf = ({ events }: Answer) => events.map(({ event }) => event)
const toLoginId = (parameters: URLSearchParams) => parameters.get('state')?.split('.')[0] ?? ''

/** A login that fails because userinfo is about another user. */
async function failAtUserinfo(sub = 'ada') {
  idp.script({
    idTokenClaims: ({ email: _, ...claims }) => ({ ...claims, sub }),
    userinfo: (claims) => ({ ...claims, sub: 'other' }),
  })
  const login = await logInAtScripted(portico, idp)
  idp.reset()
  return { ...login, login: toLoginId(login.parameters) }
}

describe('the story of a failed login is found', () => {
  test('by the id that the user sees, and by that of the login', async () => {
    const { response, login } = await failAtUserinfo()
    for (const id of [await readShownId(response), login]) {
      const answer = await read(`id=${id}`)
      expect(answer.events).toEqual([
        expect.objectContaining({
          event: 'login_failed',
          code: 'invalid_userinfo',
          provider: 'default',
          login,
        }),
      ])
      expect(answer.story).toEqual([
        expect.stringMatching(`^Login ${login} at default, begun .*, failed\\.$`),
        expect.stringContaining('userinfo: sub is another one than that of the ID token'),
        expect.stringMatching(/^Cause: userinfo is about another user/),
        expect.stringMatching(/^Remedy: the provider has to fix it/),
      ])
    }
  })

  test('by the user, where an ID token had named the user; with the logins of that user that succeeded', async () => {
    await signIn({ sub: 'ada' })
    await signIn({ sub: 'grace' })
    const { login } = await failAtUserinfo('ada')
    const answer = await read('subject=ada')
    expect(namesOf(answer)).toEqual(['login_succeeded', 'login_failed'])
    expect(answer.events[1]).toMatchObject({ login })
    expect(answer.story.filter((line) => line === '')).toHaveLength(1)
    expect(namesOf(await read('subject=grace'))).toEqual(['login_succeeded'])
  })

  test('by the user also where the store, the demands of the app or the access token refuse a user that is known', async () => {
    idp.script({ idTokenClaims: (claims) => ({ ...claims, sub: 'ada', acr: 'urn:weak' }) })
    await logInAtScripted(portico, idp, { query: '?acr_values=urn:strong' })
    vi.spyOn(portico.store, 'create').mockRejectedValueOnce(new AppError('store_unavailable', 'full'))
    await logInAtScripted(portico, idp)
    idp.script({
      idTokenClaims: (claims) => ({ ...claims, sub: 'ada', at_hash: undefined }),
      accessTokenClaims: (claims) => ({ ...claims, aud: 'api://other' }),
    })
    await logInAtScripted(portico, idp)
    expect((await read('subject=ada')).events).toMatchObject([
      { event: 'login_failed', code: 'unmet_authentication_requirements' },
      { event: 'login_failed', code: 'store_unavailable' },
      { event: 'login_failed', code: 'invalid_access_token' },
    ])
  })

  test('with what became of the session: by the user, and by the id of the session', async () => {
    const browser = await signIn({ sub: 'ada' })
    const session = portico.logged.find(({ event }) => event === 'login_succeeded')?.session
    await browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })
    for (const query of ['subject=ada', `id=${session}`]) {
      expect(namesOf(await read(query))).toEqual(['login_succeeded', 'logout_succeeded'])
    }
  })

  test('with the end of the session by an operator, also of everyone: by the id of the session', async () => {
    for (const path of ['subjects/ada/sessions', 'sessions']) {
      await signIn({ sub: 'ada' })
      const session = portico.logged.findLast(({ event }) => event === 'login_succeeded')?.session
      portico.clock.advance(1)
      const port = portico.operatorPort
      const headers = { authorization: `Bearer ${secret}` }
      await fetch(`http://127.0.0.1:${port}/operator/${path}`, { method: 'DELETE', headers })
      expect(namesOf(await read(`id=${session}`))).toEqual(['login_succeeded', 'sessions_ended_by_operator'])
    }
  })

  test('by the user also where a failure names none, but belongs to a login that does', async () => {
    const browser = createTestBrowser()
    idp.script({ idTokenClaims: (claims) => ({ ...claims, sub: 'ada' }) })
    const { parameters } = await logInAtScripted(portico, idp, { browser })
    await createTestBrowser().fetch(`${portico.url}/api/callback?${parameters}`)
    const { events } = await read('subject=ada')
    expect(events).toMatchObject([{ event: 'login_succeeded' }, { event: 'login_failed' }])
    expect(events[1]?.sub).toBeUndefined()
  })

  test('not after an hour, and not where nothing was kept: the answer says what cannot be found', async () => {
    const { response, login } = await failAtUserinfo()
    const id = await readShownId(response)
    await read('id=x')
    portico.clock.advance(minutes(60) - 1)
    expect((await read(`id=${id}`)).events).toHaveLength(1)
    portico.clock.advance(1)
    for (const query of [`id=${id}`, `id=${login}`, 'subject=ada', 'id=unknown']) {
      expect(await read(query)).toEqual({
        events: [],
        story: [expect.stringContaining('portico-bff explain')],
      })
    }
  })
})

describe('a user is found', () => {
  const start = (more: object, replaced = {}) =>
    startPortico({
      issuer: idp.issuer,
      env: { ...env, ...more },
      replaced: { clock: portico.clock, ...replaced },
    })

  test('by the hash in the log as well, and also where that is of an older secret of BFF_SECRETS', async () => {
    const [old, next] = [testSecret(), testSecret()]
    const before = closeAfterTest(await start({ BFF_SECRETS: old }))
    const { store } = before
    await signIn({ sub: 'ada' }, before)
    const sub = String((await read('subject=ada', before)).events[0]?.sub)
    expect(sub).toMatch(/^h:/)
    expect(namesOf(await read(`subject=${sub}`, before))).toEqual(['login_succeeded'])
    const after = closeAfterTest(await start({ BFF_SECRETS: `${next},${old}` }, { store }))
    await signIn({ sub: 'ada' }, after)
    const { events } = await read('subject=ada', after)
    expect(events).toMatchObject([{ event: 'login_succeeded', sub }, { event: 'login_succeeded' }])
    // From now on by the newest secret, so that the old one can go.
    expect(events[1]?.sub).not.toBe(sub)
  })

  test('by the name of the provider as well where there are several, also if the login failed', async () => {
    const client = {
      OIDC_ISSUER: idp.issuer,
      OIDC_CLIENT_ID: 'portico-test',
      OIDC_CLIENT_SECRET: 'test-client-secret',
    }
    const file = writeProvidersFile({ one: client, two: client })
    const both = closeAfterTest(
      await startPortico({ env: { ...env, PROVIDERS_FILE: file }, replaced: { clock: portico.clock } }),
    )
    idp.script({
      idTokenClaims: ({ email: _, ...claims }) => ({ ...claims, sub: 'ada' }),
      userinfo: (claims) => ({ ...claims, sub: 'other' }),
    })
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(both, browser, '?provider=two'))
    await browser.fetch(`${both.url}/api/callback/two?${parameters}`)
    expect(namesOf(await read('subject=two:ada', both))).toEqual(['login_failed'])
    for (const sub of ['ada', 'one:ada']) expect(namesOf(await read(`subject=${sub}`, both))).toEqual([])
  })

  test.each([
    ['plain', ['ada'], ['login_succeeded']],
    ['none', [undefined], []],
  ])('with LOG_SUBJECT=%s', async (kind, subs, found) => {
    const other = closeAfterTest(await start({ LOG_SUBJECT: kind }))
    await signIn({ sub: 'ada' }, other)
    const session = other.logged.find(({ event }) => event === 'login_succeeded')?.session
    expect((await read(`id=${session}`, other)).events.map(({ sub }) => sub)).toEqual(subs)
    expect(namesOf(await read('subject=ada', other))).toEqual(found)
  })
})

describe('what is kept', () => {
  test('is sealed in the store: no id, user or reason can be read there', async () => {
    const { login } = await failAtUserinfo('ada-lovelace')
    await read('id=x')
    const texts = await portico.store.readRecent()
    expect(texts).toHaveLength(1)
    for (const text of texts) {
      expect(text).toMatch(/^[\w-]+$/)
      expect(Buffer.from(text, 'base64url').toString('latin1')).not.toMatch(
        new RegExp(`${login}|ada-lovelace|userinfo|login_failed`),
      )
    }
  })

  test('is nothing where a login begins, however many do (F54)', async () => {
    const append = vi.spyOn(portico.store, 'appendRecent')
    for (let index = 0; index < 20; index += 1) await startLogin(portico, createTestBrowser())
    expect((await read('id=x')).events).toEqual([])
    expect(append).not.toHaveBeenCalled()
  })

  test('is nothing at all without an operator who could ask for it', async () => {
    const plain = await startPortico({ issuer: idp.issuer })
    const append = vi.spyOn(plain.store, 'appendRecent')
    await logInAtScripted(plain, idp)
    await plain.close()
    expect(plain.components.recentEvents).toBeUndefined()
    expect(append).not.toHaveBeenCalled()
  })

  test('is at most what the last thousand events were', async () => {
    for (let index = 0; index < 11; index += 1) {
      for (let count = 0; count < 100; count += 1) {
        portico.components.log('login_failed', { login: `${index}-${count}`, code: 'access_denied' })
      }
      await read('id=x')
    }
    expect(await portico.store.readRecent()).toHaveLength(1_000)
    expect((await read('id=0-99')).events).toEqual([])
    expect((await read('id=1-0')).events).toHaveLength(1)
  })

  test('comes from every replica, and what waits is written before the process ends', async () => {
    const { config, store, clock } = portico.components
    let isClosed = false
    const closing = {
      ...store,
      async close() {
        isClosed = true
      },
      appendRecent: (...entries: Parameters<typeof store.appendRecent>) =>
        isClosed ? Promise.reject(new Error('closed')) : store.appendRecent(...entries),
    }
    const replaced = { config, store: closing, clock }
    const other = await startPortico({ issuer: idp.issuer, replaced })
    const { response } = await logInAtScripted(other, idp, { query: '?prompt=login' })
    const { parameters } = await logInAtScripted(other, idp)
    expect(response.status).toBe(200)
    await other.close()
    expect(namesOf(await read(`id=${toLoginId(parameters)}`))).toEqual(['login_succeeded'])
  })

  test('is in the order in which it happened, whichever replica wrote first', async () => {
    const { config, store, clock, log } = portico.components
    const other = await startPortico({ issuer: idp.issuer, replaced: { config, store, clock } })
    log('csrf_check_failed', { request_id: 'one' })
    portico.clock.advance(1)
    other.components.log('login_failed', { request_id: 'one', code: 'access_denied' })
    await other.close()
    expect(namesOf(await read('id=one'))).toEqual(['csrf_check_failed', 'login_failed'])
  })

  test('is not delayed by a store that is down, and delays nothing: what was dropped is counted', async () => {
    const append = vi
      .spyOn(portico.store, 'appendRecent')
      .mockRejectedValueOnce(new AppError('store_unavailable', 'down'))
    await failAtUserinfo('first')
    await failAtUserinfo('second')
    expect(append).not.toHaveBeenCalled()
    expect((await read('subject=first')).events).toEqual([])
    await failAtUserinfo('third')
    expect(namesOf(await read('subject=third'))).toEqual(['login_failed'])
    expect(portico.logged.filter(({ event }) => event === 'recent_events_dropped')).toMatchObject([
      { count: 2 },
    ])
  })

  test('is written in the background within seconds, if no operator asks', async () => {
    await failAtUserinfo()
    await expect.poll(() => portico.store.readRecent()).toHaveLength(1)
  })

  test('is what is audited of sign-ins and sessions, and why tokens were not refreshed', async () => {
    const audited = Object.entries(auditedEvents)
      .filter(
        ([name, { category }]) =>
          /authentication|session/.test(category.join()) && !name.endsWith('_refused'),
      )
      .map(([name]) => name as LogEvent)
    const expected: LogEvent[] = [
      ...audited,
      'token_refresh_failed',
      'token_refresh_rejected',
      'refreshed_tokens_lost',
      'csrf_check_failed',
      'dpop_key_mismatch',
      'request_failed',
    ]
    expect(audited.length).toBeGreaterThan(8)
    for (const event of expected) portico.components.log(event, { request_id: event })
    for (const event of expected) expect(namesOf(await read(`id=${event}`))).toEqual([event])
  })

  test('of a flood is little: what one client causes displaces nothing', async () => {
    await signIn({ sub: 'ada' })
    const flood = (address: string) => {
      for (const event of ['request_limited', 'csrf_check_failed', 'login_failed'] as const) {
        for (let count = 0; count < 200; count += 1) portico.components.log(event, { address })
      }
    }
    for (let round = 0; round < 15; round += 1) {
      flood('192.0.2.1')
      flood(`2001:db8::${round}`)
      await read('id=x')
    }
    expect(await portico.store.readRecent()).toHaveLength(1 + 2 * 10)
    expect(namesOf(await read('subject=ada'))).toEqual(['login_succeeded'])
    portico.clock.advance(minutes(1))
    flood('192.0.2.1')
    await read('id=x')
    expect(await portico.store.readRecent()).toHaveLength(1 + 3 * 10)
  })

  test('of a flood from everywhere is what one write takes', async () => {
    for (let index = 0; index < 500; index += 1)
      portico.components.log('login_failed', { address: `198.51.${index >> 8}.${index & 255}` })
    await read('id=x')
    expect(await portico.store.readRecent()).toHaveLength(100)
    expect(portico.logged.find(({ event }) => event === 'recent_events_dropped')).toMatchObject({
      count: 400,
    })
  })
})

describe('who may ask, and what for', () => {
  test.each(['', `Bearer ${testSecret()}`])('with "%s" instead of the secret: 401', async (authorization) => {
    expect(await readRefusal(await ask('id=x', { authorization }))).toBe('401 invalid_token')
  })

  test.each(['', 'id=a&subject=b', 'id=', 'id=a&id=b', `id=${'x'.repeat(129)}`])(
    '?%s: 400',
    async (query) => {
      expect(await readRefusal(await ask(query))).toBe('400 invalid_request')
    },
  )

  test('while the store is down: 503, not an empty answer', async () => {
    vi.spyOn(portico.store, 'readRecent').mockRejectedValueOnce(new AppError('store_unavailable', 'down'))
    expect(await readRefusal(await ask('id=x'))).toBe('503 store_unavailable')
  })

  test('browsers cannot reach it: the public port has no such address', async () => {
    const response = await createTestBrowser().fetch(`${portico.url}/operator/events?id=x`, {
      headers: { authorization: `Bearer ${secret}` },
    })
    expect(await readRefusal(response)).toBe('404 not_found')
  })
})

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { GroupSource } from '../../../src/verify/verify.ts'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { hours, minutes } from '../../support/clock.ts'
import { enterAs } from '../../support/group-api.ts'
import { csrf, getSession, type LoginAnswer, startLogin } from '../../support/login.ts'
import { startPortico, type TestPortico, testSecret } from '../../support/portico.ts'
import { startOAuth2Provider } from '../../support/providers/oauth2-provider.ts'
import { type ScriptedProvider, startScriptedProvider } from '../../support/providers/scripted-provider.ts'

/** The company's own provider, and a plain OAuth 2.0 one that says of its people what it likes. */
const folder = mkdtempSync(join(tmpdir(), 'portico-claims-'))
const file = join(folder, 'providers.json')
let okta: ScriptedProvider
let toki: Awaited<ReturnType<typeof startOAuth2Provider>>
beforeAll(async () => {
  okta = await startScriptedProvider()
  toki = await startOAuth2Provider()
})
afterAll(async () => {
  await okta.close()
  await toki.close()
  rmSync(folder, { recursive: true })
})

const porticos: TestPortico[] = []
afterEach(async () => {
  okta.reset()
  okta.follow(Date)
  toki.reset()
  for (const portico of porticos.splice(0)) await portico.close()
})
async function start(...[options]: Parameters<typeof startPortico>): Promise<TestPortico> {
  const portico = await startPortico(options)
  okta.follow(portico.clock)
  porticos.push(portico)
  return portico
}

interface Entries {
  okta?: Record<string, string>
  toki?: Record<string, string>
}

const writeProviders = (more: Entries = {}) =>
  writeFileSync(
    file,
    JSON.stringify({
      okta: {
        OIDC_ISSUER: okta.issuer,
        OIDC_CLIENT_ID: 'portico-test',
        OIDC_CLIENT_SECRET: 'test-client-secret',
        ...more.okta,
      },
      toki: { ...toki.settings, ...more.toki },
    }),
  )

function startBoth(more: Entries = {}, env: Record<string, string> = {}): Promise<TestPortico> {
  writeProviders(more)
  return start({ env: { PROVIDERS_FILE: file, ...env } })
}

/** What toki says of a person who wants to be an administrator. */
const boasts = {
  name: 'Mallory',
  email: 'ada@example.com',
  email_verified: true,
  phone_number: '+1 555 0100',
  phone_number_verified: true,
  groups: ['admins'],
  roles: ['root'],
  department: 'board',
}
const boast = () => toki.script({ userinfo: (claims) => ({ ...claims, ...boasts }) })

async function logIn(portico: TestPortico, name: 'okta' | 'toki') {
  const browser = createTestBrowser()
  const loginUrl = await startLogin(portico, browser, `?provider=${name}`)
  const parameters = name === 'okta' ? okta.authorize(loginUrl) : toki.authorize(loginUrl)
  const response = await browser.fetch(`${portico.url}/api/callback/${name}?${parameters}`)
  expect(response.status).toBe(200)
  return { browser, answer: (await response.json()) as LoginAnswer }
}

async function getToken(portico: TestPortico, browser: TestBrowser): Promise<string> {
  const response = await browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
  expect(response.status).toBe(200)
  return ((await response.json()) as LoginAnswer).token
}

/** The status that a token gets at an API for administrators. */
const enter = (portico: TestPortico, token: string, ...source: GroupSource[]) =>
  enterAs(portico, token, 'admins', ...source)

const ofOkta = { idp: 'okta' }

describe('whose groups', () => {
  test('a plain provider of PROVIDERS_FILE only describes people, at login and at refreshes', async () => {
    boast()
    const portico = await startBoth()
    const { browser, answer } = await logIn(portico, 'toki')
    for (const count of [0, 1, 2]) {
      if (count > 0) portico.clock.advance(minutes(2))
      const token = count === 0 ? answer.token : await getToken(portico, browser)
      const claims = decodeJwt(token)
      expect(claims).toMatchObject({ sub: 'toki:u-1', name: 'Mallory', email: 'ada@example.com' })
      expect(claims).not.toHaveProperty('groups')
      expect(claims).not.toHaveProperty('email_verified')
      expect(await enter(portico, token)).toBe(403)
      const { user } = await getSession(portico, browser)
      expect(user).toEqual({ sub: 'toki:u-1', name: 'Mallory', email: 'ada@example.com' })
    }
    expect(toki.requests.filter(({ body }) => body.grant_type === 'refresh_token')).toHaveLength(2)
  })

  test('whatever APP_TOKEN_CLAIMS names: no roles, no proofs of an address, nothing of its own', async () => {
    boast()
    const env = { APP_TOKEN_CLAIMS: Object.keys(boasts).join(',') }
    const { token } = (await logIn(await startBoth({}, env), 'toki')).answer
    const named = Object.keys(decodeJwt(token)).filter((name) => Object.hasOwn(boasts, name))
    expect(named).toEqual(['name', 'email', 'phone_number'])
  })

  test('a provider whose ID tokens are verified tells groups as before', async () => {
    okta.script({ idTokenClaims: (claims) => ({ ...claims, groups: ['admins'] }) })
    const portico = await startBoth()
    const { token } = (await logIn(portico, 'okta')).answer
    expect(decodeJwt(token)).toMatchObject({ email_verified: true, groups: ['admins'] })
    expect(await enter(portico, token)).toBe(200)
    expect(await enter(portico, token, ofOkta)).toBe(200)
  })

  test('`claims` lets a plain provider tell more, and an API may ask for the word of another', async () => {
    boast()
    const portico = await startBoth({ toki: { claims: 'name, groups,email_verified' } })
    const { browser, answer } = await logIn(portico, 'toki')
    portico.clock.advance(minutes(2))
    for (const token of [answer.token, await getToken(portico, browser)]) {
      const claims = decodeJwt(token)
      expect(claims).toMatchObject({ name: 'Mallory', groups: ['admins'], email_verified: true })
      // In place of APP_TOKEN_CLAIMS, not beside it.
      expect(claims).not.toHaveProperty('email')
    }
    const token = await getToken(portico, browser)
    expect(await enter(portico, token)).toBe(200)
    expect(await enter(portico, token, { idp: ['okta', 'toki'] })).toBe(200)
    expect(await enter(portico, token, ofOkta)).toBe(403)
  })

  test('`claims` narrows what a verified provider tells', async () => {
    const portico = await startBoth({ okta: { claims: 'name' } })
    const { token } = (await logIn(portico, 'okta')).answer
    expect(decodeJwt(token)).toMatchObject({ name: 'Grace Hopper' })
    for (const name of ['email', 'email_verified', 'groups']) {
      expect(decodeJwt(token)).not.toHaveProperty(name)
    }
  })

  test('the one plain provider of the environment tells all of APP_TOKEN_CLAIMS', async () => {
    boast()
    const portico = await start({ env: { ...toki.settings, claims: 'name' } })
    const browser = createTestBrowser()
    const parameters = toki.authorize(await startLogin(portico, browser))
    const response = await browser.fetch(`${portico.url}/api/callback?${parameters}`)
    const { token } = (await response.json()) as LoginAnswer
    expect(decodeJwt(token)).toMatchObject({ idp: 'default', groups: ['admins'], email_verified: true })
    expect(await enter(portico, token, { idp: 'default' })).toBe(200)
    expect(await enter(portico, token, ofOkta)).toBe(403)
  })
})

describe('APP_TOKEN_GROUPS is for all providers', () => {
  const groups = ['admins', 'Everyone', 'admins-emeriti']
  const tellGroups = () => {
    okta.script({ idTokenClaims: (claims) => ({ ...claims, groups }) })
    toki.script({ userinfo: (claims) => ({ ...claims, groups }) })
  }

  test('of each that may tell groups, only those go into the app token', async () => {
    tellGroups()
    const portico = await startBoth({ toki: { claims: 'name,groups' } }, { APP_TOKEN_GROUPS: 'admins' })
    for (const name of ['okta', 'toki'] as const) {
      const { browser, answer } = await logIn(portico, name)
      expect(decodeJwt(answer.token)).toMatchObject({ idp: name, groups: ['admins'] })
      expect(await enterAs(portico, answer.token, 'admins', { idp: name })).toBe(200)
      expect(await enterAs(portico, answer.token, 'Everyone', 'admins-emeriti')).toBe(403)
      expect((await getSession(portico, browser)).user.groups).toEqual(groups)
    }
  })

  test('and of one that may not tell groups, none', async () => {
    tellGroups()
    const { token } = (await logIn(await startBoth({}, { APP_TOKEN_GROUPS: '*' }), 'toki')).answer
    expect(decodeJwt(token)).not.toHaveProperty('groups')
  })
})

describe('the app token says who spoke', () => {
  test('`idp` is the name of the provider, whatever the provider says', async () => {
    toki.script({ userinfo: (claims) => ({ ...claims, idp: 'okta' }) })
    okta.script({ idTokenClaims: (claims) => ({ ...claims, idp: 'toki' }) })
    const portico = await startBoth()
    for (const name of ['okta', 'toki'] as const) {
      expect(decodeJwt((await logIn(portico, name)).answer.token).idp).toBe(name)
    }
  })
})

describe('a claim that is allowed no more', () => {
  /** A session of okta's whose groups were allowed when it began, at a server that allows them no more. */
  async function narrow() {
    writeProviders()
    const env = { PROVIDERS_FILE: file, BFF_SECRETS: testSecret(), SESSION_IDLE_TIMEOUT: '3h' }
    const before = await start({ env })
    const { browser, answer } = await logIn(before, 'okta')
    expect(decodeJwt(answer.token)).toHaveProperty('groups')
    writeProviders({ okta: { claims: 'name,email' } })
    const { clock, store } = before
    const portico = await start({ env, replaced: { clock, store } })
    okta.follow(clock)
    for (const [name, cookie] of browser.cookies(before.url)) browser.setCookie(portico.url, name, cookie)
    const readClaims = async () => (await store.read(answer.session.id))?.identity.claims
    return { portico, browser, clock, readClaims }
  }

  test('is minted no more, at once', async () => {
    const { portico, browser } = await narrow()
    const token = await getToken(portico, browser)
    expect(decodeJwt(token)).toMatchObject({ name: 'Grace Hopper', email: 'grace@example.com' })
    expect(decodeJwt(token)).not.toHaveProperty('groups')
  })

  test.each<[string, Parameters<ScriptedProvider['script']>[0]]>([
    ['that brings an ID token', {}],
    ['without an ID token', { tokenResponse: ({ id_token: _, ...answer }) => answer }],
    [
      'whose userinfo fails',
      {
        tokenResponse: ({ id_token: _, ...answer }) => answer,
        userinfoEndpoint: (_req, res) => void res.status(500).end(),
      },
    ],
  ])('leaves the session at a refresh %s', async (_what, defect) => {
    const { portico, browser, clock, readClaims } = await narrow()
    expect(await readClaims()).toHaveProperty('groups')
    clock.advance(hours(2))
    okta.script(defect)
    await getToken(portico, browser)
    expect(await readClaims()).toEqual({ name: 'Grace Hopper', email: 'grace@example.com' })
  })
})

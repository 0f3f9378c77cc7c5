import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { TestBrowser } from '../support/browser.ts'
import { csrf } from '../support/login.ts'
import { freePort } from '../support/network/http-server.ts'
import { testSecret } from '../support/portico.ts'
import { keycloak as profile } from '../support/providers/profiles/keycloak.ts'
import { toProfileSettings } from '../support/providers/provider-pages.ts'
import { type Keycloak, runPortico, signInAtKeycloak, startKeycloak } from './keycloak.ts'

/**
 * Does at a real Keycloak what docs/providers/keycloak.md says: registers a client as the page describes it, and
 * runs a real Portico with the settings of the page. Fails where the page is wrong.
 *
 *     KEYCLOAK_HOME=/path/to/keycloak npm run test:keycloak
 */

const realm = 'example'
const secret = testSecret()
const user = { username: 'grace', password: 'amazing-grace' }
/** Seconds, so that the run sees an access token expire. */
const tokenLifetime = 20

const print = (text: string) => process.stdout.write(`${text}\n`)

const keycloak = await startKeycloak()
const url = `http://127.0.0.1:${await freePort()}`
try {
  print(`Keycloak runs at ${keycloak.origin}.`)
  await createRealm(keycloak)
  await checkTimeouts(keycloak)
  const settings = {
    ...toProfileSettings(profile),
    OIDC_ISSUER: `${keycloak.origin}/realms/${realm}`,
    OIDC_CLIENT_SECRET: secret,
    APP_TOKEN_CLAIMS: 'name,email,groups,roles',
  }
  await runPortico(url, settings, async (portico) => {
    const browser = await signInAtKeycloak(url, user)
    await checkUser(browser)
    await checkRefresh(browser)
    await portico.line(/"tokens_refreshed".*"rotated":true/)
    print('A refresh brought another refresh token.')
    await checkBackChannel(browser)
    await checkLogout(await signInAtKeycloak(url, user))
  })
} finally {
  await keycloak.stop()
}

/** A realm with the client of the page, its mappers for groups and roles, and a user who has both. */
async function createRealm({ admin }: Keycloak): Promise<void> {
  const mapper = (name: string, protocolMapper: string, config: Record<string, string>) => ({
    name,
    protocol: 'openid-connect',
    protocolMapper,
    config: { 'userinfo.token.claim': 'true', 'id.token.claim': 'false', ...config },
  })
  await admin('POST', '/realms', {
    realm,
    enabled: true,
    sslRequired: 'none',
    roles: { realm: [{ name: 'admiral' }] },
    groups: [{ name: 'Navy' }],
    clients: [
      {
        clientId: 'portico-test',
        secret,
        redirectUris: [`${url}/api/callback`],
        frontchannelLogout: false,
        attributes: {
          'pkce.code.challenge.method': 'S256',
          'post.logout.redirect.uris': `${url}/api/logout/callback`,
          'backchannel.logout.url': `${url}/api/backchannel-logout`,
          'backchannel.logout.session.required': 'true',
        },
        protocolMappers: [
          mapper('groups', 'oidc-group-membership-mapper', { 'claim.name': 'groups', 'full.path': 'false' }),
          mapper('roles', 'oidc-usermodel-realm-role-mapper', { 'claim.name': 'roles', multivalued: 'true' }),
        ],
      },
    ],
    users: [
      {
        username: user.username,
        enabled: true,
        email: 'grace@example.com',
        emailVerified: true,
        firstName: 'Grace',
        lastName: 'Hopper',
        groups: ['/Navy'],
        realmRoles: ['admiral'],
        credentials: [{ type: 'password', value: user.password }],
      },
    ],
  })
}

/** The timeouts that the page names are those of a new realm; then the access token's is shortened. */
async function checkTimeouts({ admin }: Keycloak): Promise<void> {
  const settings = (await admin('GET', `/realms/${realm}`)) as Record<string, number>
  const { accessTokenLifespan, ssoSessionIdleTimeout, ssoSessionMaxLifespan } = settings
  assert.deepEqual([accessTokenLifespan, ssoSessionIdleTimeout, ssoSessionMaxLifespan], [300, 1_800, 36_000])
  await admin('PUT', `/realms/${realm}`, { accessTokenLifespan: tokenLifetime })
  print('Access tokens are valid for 5 minutes, an idle session for 30 minutes, any for 10 hours.')
}

async function readSession(browser: TestBrowser) {
  const response = await browser.fetch(`${url}/api/session`, { headers: csrf })
  return (await response.json()) as { active: boolean; user: Record<string, unknown> }
}

async function checkUser(browser: TestBrowser): Promise<void> {
  const { user } = await readSession(browser)
  assert.deepEqual([user.name, user.groups], ['Grace Hopper', ['Navy']])
  assert.ok((user.roles as string[]).includes('admiral'))
  const userinfo = await browser.fetch(`${url}/api/userinfo`, { headers: csrf })
  assert.equal(userinfo.status, 200)
  print('The user has the groups and the roles of userinfo.')
}

async function checkRefresh(browser: TestBrowser): Promise<void> {
  await delay((tokenLifetime + 1) * 1_000)
  const token = await browser.fetch(`${url}/api/token`, { method: 'POST', headers: csrf })
  assert.equal(token.status, 200)
}

/** An administrator signs the user out. */
async function checkBackChannel(browser: TestBrowser): Promise<void> {
  const users = (await keycloak.admin('GET', `/realms/${realm}/users?username=${user.username}`)) as {
    id: string
  }[]
  await keycloak.admin('POST', `/realms/${realm}/users/${users[0]?.id}/logout`)
  assert.equal((await readSession(browser)).active, false)
  print('A sign-out by an administrator ended the session by the back channel.')
}

/** The browser leaves by Keycloak, which asks nothing, and comes back. */
async function checkLogout(browser: TestBrowser): Promise<void> {
  const answer = await browser.fetch(`${url}/api/logout`, { method: 'POST', headers: csrf })
  const { logout_url: ticket } = (await answer.json()) as { logout_url: string }
  const toKeycloak = (await browser.visit(ticket)).headers.get('location') ?? ''
  const back = (await browser.visit(toKeycloak)).headers.get('location') ?? ''
  assert.ok(back.startsWith(`${url}/api/logout/callback?state=`), back)
  assert.equal((await browser.visit(back)).headers.get('location'), '/')
  print('A logout went by Keycloak, which asked nothing, and back.')
}

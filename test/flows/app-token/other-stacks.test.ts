import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair } from 'jose'
import { describe, expect } from 'vitest'
import { AppError } from '../../../src/errors.ts'
import { closeAfterTest, idp, providerPerFile } from '../../support/fixtures.ts'
import { csrf, getSession, logInAtScripted, readRefusal } from '../../support/login.ts'
import { publicUrl, startPortico } from '../../support/portico.ts'
import { startScriptedProvider } from '../../support/providers/scripted-provider.ts'

const test = providerPerFile()

async function start(env: Record<string, string> = {}, replaced = {}) {
  const portico = closeAfterTest(await startPortico({ issuer: idp.issuer, env, replaced }))
  idp.follow(portico.clock)
  return portico
}

const readConfiguration = async ({ url }: { url: string }) => {
  const response = await fetch(`${url}/.well-known/openid-configuration`)
  return (await response.json()) as Record<string, unknown>
}

test('APP_TOKEN_TYP and APP_TOKEN_SCOPE_CLAIM: tokens that readers of other tokens expect', async () => {
  const portico = await start({ APP_TOKEN_TYP: 'JWT', APP_TOKEN_SCOPE_CLAIM: 'scp' })
  const { browser, response } = await logInAtScripted(portico, idp)
  const { token } = (await response.json()) as { token: string }
  expect(decodeProtectedHeader(token).typ).toBe('JWT')
  expect(decodeJwt(token).scp).toContain('orders:read')
  expect(decodeJwt(token)).not.toHaveProperty('scope')
  const narrowed = await browser.fetch(`${portico.url}/api/token`, {
    method: 'POST',
    headers: { ...csrf, 'content-type': 'application/json' },
    body: JSON.stringify({ scope: 'orders:read openid' }),
  })
  const { token: narrow } = (await narrowed.json()) as { token: string }
  expect(decodeJwt(narrow).scp).toEqual(['orders:read', 'openid'])
})

test('a token of the type JWT passes neither as a logout token nor as an ID token', async () => {
  // The worst case: the provider has the issuer of Portico, its keys and its audience.
  const provider = closeAfterTest(await startScriptedProvider({ path: '' }))
  const portico = closeAfterTest(
    await startPortico({
      issuer: provider.issuer,
      env: {
        PUBLIC_URL: provider.issuer,
        APP_TOKEN_TYP: 'JWT',
        APP_TOKEN_ALG: 'RS256',
        APP_TOKEN_AUDIENCE: 'portico-test',
      },
    }),
  )
  provider.follow(portico.clock)
  const { keys } = await portico.components.keyRing.publicKeys()
  provider.script({ jwks: (others) => ({ keys: [...others, ...keys] }) })
  const { browser, response } = await logInAtScripted(portico, provider)
  const { token } = (await response.json()) as { token: string }

  const body = new URLSearchParams({ logout_token: token })
  const logout = await fetch(`${portico.url}/api/backchannel-logout`, { method: 'POST', body })
  expect(logout.status).toBe(400)
  expect(JSON.stringify(portico.logged)).toContain('events')
  expect((await getSession(portico, browser)).active).toBe(true)

  provider.script({ idToken: () => token })
  const { response: refused } = await logInAtScripted(portico, provider)
  expect(await readRefusal(refused)).toBe('502 invalid_id_token')
  expect(JSON.stringify(portico.logged)).toContain('nonce')
})

describe('/.well-known/openid-configuration', () => {
  test('says what readers of access tokens look for, and nothing of a provider of logins', async () => {
    const portico = await start()
    const configuration = await readConfiguration(portico)
    const metadata = await fetch(`${portico.url}/.well-known/oauth-authorization-server`)
    expect(configuration).toEqual({
      ...((await metadata.json()) as object),
      issuer: publicUrl,
      jwks_uri: `${publicUrl}/.well-known/jwks.json`,
      response_types_supported: [],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
    })
  })

  test('names the algorithm of each published key', async () => {
    const { privateKey: rsa } = await generateKeyPair('RS256', { extractable: true })
    const { privateKey: ed } = await generateKeyPair('EdDSA', { extractable: true })
    const keys = [
      { ...(await exportJWK(rsa)), alg: 'RS256' },
      { ...(await exportJWK(ed)), alg: 'EdDSA' },
    ]
    // Not APP_TOKEN_ALG: keys of the operator have their own.
    const portico = await start({ APP_TOKEN_KEYS: JSON.stringify({ keys }), APP_TOKEN_ALG: 'ES256' })
    const { id_token_signing_alg_values_supported: algorithms } = await readConfiguration(portico)
    expect(algorithms).toEqual(['RS256', 'EdDSA'])
  })

  test('names another APP_TOKEN_ALG before its first key is published, and the former one with it', async () => {
    const { components } = await start()
    const { clock, store } = components
    const secret = Buffer.from(components.config.secrets[0] ?? '').toString('base64url')
    const other = await start({ APP_TOKEN_ALG: 'RS256', BFF_SECRETS: secret }, { clock, store })
    const { id_token_signing_alg_values_supported: algorithms } = await readConfiguration(other)
    expect(algorithms).toEqual(['RS256', 'ES256'])
  })

  test('while the keys cannot be read, it says nothing', async () => {
    const down = () => Promise.reject(new AppError('store_unavailable', 'down'))
    const { components } = await start()
    const { clock, store, keyRing } = components
    const blind = await start({}, { clock, store, keyRing: { ...keyRing, publicKeys: down } })
    expect((await fetch(`${blind.url}/.well-known/openid-configuration`)).status).toBe(503)
  })
})

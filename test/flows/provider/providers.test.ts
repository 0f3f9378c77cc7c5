import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VariantName, VariantOptions } from '../../../demo/provider/variants.ts'
import { createTestBrowser } from '../../support/browser.ts'
import { seconds } from '../../support/clock.ts'
import { csrf, getSession, type LoginAnswer, startLogin } from '../../support/login.ts'
import { goToProvider, readLogoutUrl } from '../../support/logout.ts'
import { createCertificate, trust } from '../../support/network/certificate.ts'
import { publicUrl, startPortico } from '../../support/portico.ts'
import { ada, signInAtOkta, signOutAtOkta } from '../../support/providers/okta.ts'
import {
  type ClientAuthName,
  type MutualTls,
  startProviderVariant,
} from '../../support/providers/provider-variants.ts'

/** Every variant of provider, by every way to authenticate that makes sense there. */

const folder = mkdtempSync(join(tmpdir(), 'portico-variants-'))
let certificates: MutualTls
beforeAll(() => {
  certificates = {
    server: createCertificate(folder, 'localhost'),
    client: createCertificate(folder, 'portico-demo'),
  }
  trust(certificates.server)
})
afterAll(() => rmSync(folder, { recursive: true }))

const keyMethods = ['private_key_jwt ES256', 'private_key_jwt RS256', 'private_key_jwt EdDSA'] as const
const secretMethods = ['client_secret_basic', 'client_secret_post'] as const

interface Row {
  variant: VariantName
  auth: ClientAuthName
  options?: VariantOptions & { thin?: boolean }
}
const each = (variant: VariantName, methods: readonly ClientAuthName[], options?: Row['options']): Row[] =>
  methods.map((auth) => ({ variant, auth, ...(options === undefined ? {} : { options }) }))

const rows: Row[] = [
  ...each('okta', ['none', ...secretMethods, ...keyMethods, 'tls_client_auth']),
  // A DPoP-required app at Okta, which asks for a nonce first.
  ...each('okta', ['none', 'client_secret_basic', 'private_key_jwt ES256'], { dpop: true }),
  ...each('okta', ['none', 'client_secret_post', 'private_key_jwt ES256'], { par: true }),
  ...each('okta', ['private_key_jwt ES256'], { par: true, dpop: true }),
  ...each('okta-org', ['none', ...secretMethods, ...keyMethods, 'tls_client_auth']),
  ...each('okta-org', ['none', 'client_secret_basic'], { dpop: true, par: true }),
  // Thin ID tokens: name and groups come from userinfo.
  ...each('okta', ['client_secret_basic'], { thin: true, dpop: true }),
  ...each('okta-org', ['none'], { thin: true }),
  ...each('oauth2-public', ['none', ...secretMethods]),
  ...each('oauth2-confidential', [...secretMethods, 'private_key_jwt ES256', 'tls_client_auth']),
  ...each('fapi2', [...keyMethods, 'tls_client_auth']),
  ...each('message-signing', ['private_key_jwt ES256']),
]

test.each(rows)(
  '$variant with $auth $options: login, refresh, userinfo, logout here and there',
  async (row) => {
    const { variant, auth, options = {} } = row
    const provider = await startProviderVariant(variant, auth, certificates, options)
    const isOkta = variant.startsWith('okta')
    const portico = await startPortico({
      env: { ...provider.settings, ...(isOkta ? { OIDC_CLIENT_ASSERTION_AUDIENCE: 'endpoint' } : {}) },
    })
    try {
      const browser = createTestBrowser()
      const loginUrl = await startLogin(portico, browser)
      const asked = [...new URL(loginUrl).searchParams.keys()].sort()
      const isStrict = variant === 'fapi2' || variant === 'message-signing'
      const isPushed = isStrict || options.par === true
      // R81: only client_id and request_uri in the front channel.
      if (isPushed) expect(asked).toEqual(['client_id', 'request_uri'])
      else expect(asked.includes('code_challenge')).toBe(variant !== 'oauth2-confidential')

      const callback = await signInAtOkta(browser, loginUrl)
      const response = await browser.fetch(`${portico.url}/api/callback${callback.search}`)
      const answer = (await response.json()) as LoginAnswer
      expect(answer).toMatchObject({
        user: { sub: ada.sub, name: 'Ada Lovelace', groups: ['Everyone', 'Admins'] },
      })
      const claims = decodeJwt(answer.token)
      expect(claims).toMatchObject({ sub: ada.sub, client_id: 'portico-demo' })
      expect(String(claims.scope).split(' ')).toContain('orders:read')

      const usesDpop = isStrict || options.dpop === true
      const stored = await portico.store.read(answer.session.id)
      expect(stored?.tokens.dpopThumbprint !== undefined).toBe(usesDpop)

      portico.clock.advance(seconds(19.5))
      const token = await browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
      expect([token.status, portico.logged.filter(({ event }) => event === 'tokens_refreshed')]).toEqual([
        200,
        [expect.objectContaining({ rotated: true })],
      ])

      const userinfo = await browser.fetch(`${portico.url}/api/userinfo`, { headers: csrf })
      expect(await userinfo.json()).toMatchObject({ name: 'Ada Lovelace' })

      const logout = await browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })
      expect(logout.status).toBe(200)
      expect(await getSession(portico, browser)).toEqual({ active: false })
      const logoutUrl = await readLogoutUrl(logout)
      expect(logoutUrl !== null).toBe(!variant.startsWith('oauth2-'))
      if (logoutUrl !== null) {
        const back = await signOutAtOkta(browser, await goToProvider(portico, browser, logoutUrl))
        expect(back.href).toMatch(`${publicUrl}/api/logout/callback?state=`)
      }
      const isRevoked = () => portico.logged.some(({ event }) => event === 'refresh_token_revoked')
      await expect.poll(isRevoked).toBe(true)
    } finally {
      await portico.close()
      await provider.close()
    }
  },
)

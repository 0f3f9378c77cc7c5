import type { NewSession } from '../../src/session/session.ts'
import { hours, minutes } from './clock.ts'

/** How long the sessions of store tests live. */
export const lifetimes = { idleTimeout: minutes(30), absoluteTimeout: hours(12) }

/** A session with every field that a session can have. */
export const session: NewSession = {
  identity: {
    providerName: 'default',
    issuer: 'https://idp.example',
    providerSub: 'u1',
    appSub: 'default:u1',
    userId: '1',
    claims: { name: 'Grace', email: 'Grace@example.com', groups: ['Navy'] },
    authTime: 1,
    acr: 'urn:a',
    amr: ['pwd'],
    providerSid: 'ps1',
    nonce: 'n1',
    login: {
      fingerprint: 'f1',
      returnTo: '/',
      device: 'Firefox on Linux',
      address: '203.0.113.7',
      startedAt: 1,
      browserJkt: 'jkt2',
    },
  },
  tokens: {
    accessToken: 'at1',
    obtainedAt: 1,
    accessTokenExpiresAt: 5,
    refreshToken: 'rt1',
    idToken: 'id1',
    dpopThumbprint: 'jkt1',
    scope: ['openid', 'a'],
  },
}

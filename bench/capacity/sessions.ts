import { randomBytes } from 'node:crypto'
import { createComponents } from '../../src/components.ts'
import { readConfig } from '../../src/config/config.ts'
import { createSessionId, type NewSession, toSessionHandle } from '../../src/session/session.ts'
import { session as fixture } from '../../test/support/session-fixture.ts'

/** A text of a token's length: what it says does not matter, because it is sealed. */
const toToken = (length: number) => randomBytes(length).toString('base64url').slice(0, length)

/** A session as a login at the stub provider makes it, of another user each time. */
function toSession(number: number): NewSession {
  const email = `bob.${number}@example.com`
  return {
    identity: {
      ...fixture.identity,
      providerSub: `00u${number}`,
      appSub: `00u${number}`,
      claims: {
        name: 'Bob Babbage',
        email,
        email_verified: true,
        groups: ['Everyone', 'orders-admins', 'engineering'],
        preferred_username: email,
      },
      providerSid: undefined,
      login: { ...fixture.identity.login, startedAt: Date.now() },
    },
    tokens: {
      ...fixture.tokens,
      accessToken: toToken(800),
      obtainedAt: Date.now(),
      accessTokenExpiresAt: Date.now() + 3_600_000,
      refreshToken: toToken(40),
      idToken: toToken(900),
    },
  }
}

/** Creates sessions in Redis by the store itself: a million logins would take half an hour. */
export interface SessionFiller {
  /** Adds sessions until `count` of this filler exist. */
  fillUpTo(count: number): Promise<void>
  close(): Promise<void>
}

const inFlight = 64

/** Creates a filler for this Redis. */
export async function createSessionFiller(redisUrl: string): Promise<SessionFiller> {
  const { store } = await createComponents(
    readConfig({
      PUBLIC_URL: 'http://127.0.0.1:3000',
      BFF_SECRETS: toToken(43),
      OIDC_ISSUER: 'http://127.0.0.1:3001',
      OIDC_CLIENT_ID: 'bench',
      REDIS_URL: redisUrl,
      // None may expire while the others are made.
      SESSION_IDLE_TIMEOUT: '12h',
      LOG_LEVEL: 'error',
    }),
  )
  let created = 0
  return {
    async fillUpTo(count) {
      await Promise.all(
        Array.from({ length: inFlight }, async () => {
          while (created < count) {
            created += 1
            const result = await store.create(toSessionHandle(createSessionId()), toSession(created))
            if (result !== 'created') throw new Error(`a session was not created: ${result}`)
          }
        }),
      )
    },
    close: () => store.close(),
  }
}

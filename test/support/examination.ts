import { readConfig } from '../../src/config/config.ts'
import type { Examination } from '../../src/doctor/examination.ts'
import type { Finding } from '../../src/doctor/finding.ts'
import type { AuthorizationServer } from '../../src/provider/metadata/discovery.ts'
import type { ProviderProbe } from '../../src/provider/probe/probe.ts'
import { testSecret } from './portico.ts'

export type Env = Record<string, string | undefined>

/** Settings without a flaw. */
export const good: Env = {
  PUBLIC_URL: 'https://app.example.com',
  BFF_SECRETS: testSecret(),
  OIDC_ISSUER: 'https://idp.example.com',
  OIDC_CLIENT_ID: 'portico',
  OIDC_SCOPES: 'openid offline_access',
  TRUST_PROXY: '10.0.0.1',
}

/** A plain OAuth 2.0 provider in place of the one of `good`. */
export const plain: Env = {
  OIDC_ISSUER: undefined,
  OAUTH_AUTHORIZATION_ENDPOINT: 'https://idp.example.com/a',
  OAUTH_TOKEN_ENDPOINT: 'https://idp.example.com/t',
}

const nobody = () => Promise.reject(new Error('nobody asks that'))

/** What a check of the doctor gets, with the answers of a provider in place of one. */
export function createExamination(
  env: Env,
  probe: Partial<ProviderProbe>,
  {
    probeAs = () => ({}),
    isServed = false,
  }: {
    probeAs?: (change: Parameters<Examination['probeAs']>[0]) => Partial<ProviderProbe>
    isServed?: boolean
  } = {},
): Examination {
  const config = readConfig({ ...good, ...env })
  const silent = {
    get: nobody,
    discover: nobody,
    tryCode: nobody,
    tryRevocation: nobody,
    tryAuthorization: nobody,
    tryUserinfo: nobody,
    close: async () => {},
  }
  return {
    config,
    provider: config.providers[0],
    clock: { now: () => 1_800_000_000_000 },
    isServed: Promise.resolve(isServed),
    probe: { ...silent, ...probe },
    probeAs: (change) => ({ ...silent, ...probeAs(change) }),
  }
}

/** A finding in one line. */
export const tell = ({ status, check, message, fix }: Finding): string =>
  `${status} ${check}: ${message}${fix === undefined ? '' : ` → ${fix}`}`

/** A provider of which only the metadata counts. */
export const discovered = (metadata: object): AuthorizationServer =>
  ({ metadata, configuration: {} }) as unknown as AuthorizationServer

/** An answer to whatever is asked for. */
export const answered = (text: string, { status = 200, headers = {} as Record<string, string> } = {}) => ({
  get: async () => ({ status, headers: new Headers(headers), text, at: 1_800_000_000_000 }),
})

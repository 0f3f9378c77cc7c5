import { systemClock } from '../../src/clock.ts'
import { readConfig } from '../../src/config/config.ts'
import { examine } from '../../src/doctor/doctor.ts'
import type { Examination } from '../../src/doctor/examination.ts'
import type { Finding } from '../../src/doctor/finding.ts'
import type { AuthorizationServer } from '../../src/provider/metadata/discovery.ts'
import type { ProviderProbe } from '../../src/provider/probe/probe.ts'
import { testSecret } from './portico.ts'

export type Env = Record<string, string | undefined>

/** Settings with which every check passes. */
export const goodSettings: Env = {
  PUBLIC_URL: 'https://app.example.com',
  BFF_SECRETS: testSecret(),
  OIDC_ISSUER: 'https://idp.example.com',
  OIDC_CLIENT_ID: 'portico',
  OIDC_SCOPES: 'openid offline_access',
  TRUST_PROXY: '10.0.0.1',
}

/** A plain OAuth 2.0 provider in place of that of `goodSettings`. */
export const oauth2Settings: Env = {
  OIDC_ISSUER: undefined,
  OAUTH_AUTHORIZATION_ENDPOINT: 'https://idp.example.com/a',
  OAUTH_TOKEN_ENDPOINT: 'https://idp.example.com/t',
}

const unexpectedCall = () => Promise.reject(new Error('this check must not ask that'))

/** The input of a check; `probe` answers in place of a provider. */
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
  const config = readConfig({ ...goodSettings, ...env })
  const silent = {
    get: unexpectedCall,
    discover: unexpectedCall,
    tryCode: unexpectedCall,
    tryRevocation: unexpectedCall,
    tryAuthorization: unexpectedCall,
    tryUserinfo: unexpectedCall,
    triedProxies: new Set<string>(),
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

/** Runs the doctor on the providers of a PROVIDERS_FILE. */
export const examineProvidersFile = (file: string): Promise<Finding[]> =>
  examine(
    {
      PUBLIC_URL: 'https://localhost:1',
      BFF_SECRETS: testSecret(),
      TRUST_PROXY: '127.0.0.1',
      PROVIDERS_FILE: file,
    },
    systemClock,
  )

/** A finding in one line. */
export const toLine = ({ status, check, message, fix }: Finding): string =>
  `${status} ${check}: ${message}${fix === undefined ? '' : ` → ${fix}`}`

/** A discovered provider with this metadata. */
export const discoveredServer = (metadata: object): AuthorizationServer =>
  ({ metadata, configuration: {} }) as unknown as AuthorizationServer

/** A probe that answers every request with this text. */
export const answering = (text: string, { status = 200, headers = {} as Record<string, string> } = {}) => ({
  get: async () => ({ status, headers: new Headers(headers), text, at: 1_800_000_000_000 }),
})

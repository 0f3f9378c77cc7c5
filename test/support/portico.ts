import { randomBytes } from 'node:crypto'
import { type Components, createComponents } from '../../src/components.ts'
import { readConfig } from '../../src/config/config.ts'
import { startServer } from '../../src/service/server.ts'
import { createMemoryStore, type MemoryStore } from '../../src/session/memory/store.ts'
import { createLog } from '../../src/telemetry/logger.ts'
import { recordFile, recordOutput } from './canaries/files.ts'
import { recordSettings } from './canaries/secrets.ts'
import { createTestClock, type TestClock } from './clock.ts'

/** PUBLIC_URL of every test server. Requests go to its port directly, as if from a TLS proxy. */
export const publicUrl = 'https://app.example.com'

export const testSecret = (): string => randomBytes(32).toString('base64url')

interface LogLine {
  level: string
  event: string
  [field: string]: unknown
}

/** A real server on a free port, with the parts that tests inspect. */
export interface TestPortico {
  /** The address where it listens. */
  url: string
  /** The port for operators, where there is one. */
  operatorPort: number | undefined
  clock: TestClock
  store: MemoryStore
  components: Components
  /** Every log line so far, parsed. */
  logged: LogLine[]
  close(): Promise<void>
}

interface TestPorticoOptions {
  /** Configures the default client at this issuer; without it, the provider is configured in `env`. */
  issuer?: string
  /** Settings in addition to the defaults; undefined removes one. */
  env?: Record<string, string | undefined>
  replaced?: Partial<Components>
}

const toTestClient = (issuer: string) => ({
  OIDC_ISSUER: issuer,
  OIDC_CLIENT_ID: 'portico-test',
  OIDC_CLIENT_SECRET: 'test-client-secret',
  OIDC_SCOPES: 'openid profile email groups offline_access orders:read orders:write',
})

export async function startPortico(options: TestPorticoOptions): Promise<TestPortico> {
  const { components, settings, ...parts } = await createTestParts(options)
  const server = await startServer(components)
  return {
    ...parts,
    components,
    url: `http://127.0.0.1:${server.port}`,
    operatorPort: server.operatorPort,
    async close() {
      await server.close()
      recordFile('audit', settings.AUDIT_LOG)
    },
  }
}

/** Creates the parts of a server with a clock, a log and a store that tests inspect. */
export async function createTestParts({ issuer, env = {}, replaced = {} }: TestPorticoOptions) {
  const settings: Record<string, string | undefined> = {
    PUBLIC_URL: publicUrl,
    HOST: '127.0.0.1',
    PORT: '0',
    BFF_SECRETS: testSecret(),
    ...(issuer !== undefined && toTestClient(issuer)),
    SHUTDOWN_DRAIN: '0s',
    RATE_LIMIT_LOGIN: 'off',
    RATE_LIMIT_API: 'off',
    ...env,
  }
  recordSettings(settings)
  const config = replaced.config ?? readConfig(settings)
  const clock = createTestClock()
  const logged: LogLine[] = []
  const write = (line: string) => {
    recordOutput('log', line)
    logged.push(JSON.parse(line) as LogLine)
  }
  const log = createLog('debug', { write })
  const store = createMemoryStore({ clock, lifetimes: config.session })
  const components = await createComponents(config, { clock, log, store, ...replaced })
  return { components, settings, clock, store, logged }
}

/** Returns the address of the operator's port. */
export function toOperatorUrl({ operatorPort: port }: Pick<TestPortico, 'operatorPort'>): string {
  if (port === undefined) throw new Error('there is no port for operators')
  return `http://127.0.0.1:${port}`
}

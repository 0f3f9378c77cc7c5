import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readOptions } from '../../../src/config/options.ts'
import type { Setting } from '../../../src/config/setting.ts'
import { settings } from '../../../src/config/settings.ts'
import { ConfigError, createPortico, type PorticoOptions } from '../../../src/portico.ts'
import { testSecret } from '../../support/portico.ts'

const source = readFileSync(join(import.meta.dirname, '../../../src/embedding/options.ts'), 'utf8')
const [, members = ''] = /interface PorticoSettings \{\n([\s\S]+?)\n\}/.exec(source) ?? []
/** Each option with its sentence and its type. */
const options = [
  ...members.matchAll(/ {2}\/\*\* (.+?) \*\/\n {2}readonly (\w+)(\??):([\s\S]+?)(?=\n {2}\/|$)/g),
].map(([, doc = '', name = '', optional, type = '']) => ({ doc, name, isOptional: optional === '?', type }))
const toVariable = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
const known = new Map(Object.entries(settings as Record<string, Setting<unknown>>))

/** Of a server alone: docs/embedding.md says what an app does in their place. */
const ofServer = [
  'HOST',
  'PORT',
  'WORKERS',
  'SHUTDOWN_DRAIN',
  'OPERATOR_PORT',
  'SPA_DIR',
  'SPA_CSP',
  'SPA_DEV_URL',
]

const good = {
  publicUrl: 'https://app.example.com/shop',
  bffSecrets: [testSecret(), testSecret()],
  oidcIssuer: 'https://idp.example',
  oidcClientId: 'app',
  allowMemoryStore: true,
} satisfies PorticoOptions

const problemOf = (options: object): string => {
  try {
    readOptions(options)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  return ''
}

describe('the options of createPortico', () => {
  test('are all settings but those of a server, each with a sentence', () => {
    expect(options.map(({ name }) => toVariable(name)).sort()).toEqual(
      [...known.keys()].filter((name) => !ofServer.includes(name)).sort(),
    )
    expect(options.filter(({ doc }) => !/^[A-Z].*\.$/.test(doc))).toEqual([])
    for (const name of ofServer) expect(readFileSync('docs/embedding.md', 'utf8')).toContain(`\`${name}\``)
  })

  test('accept every value of their types, and no other word', () => {
    let words = 0
    for (const { name, type, isOptional } of options) {
      const setting = known.get(toVariable(name))
      expect([name, isOptional]).toEqual([name, setting?.required !== true])
      const values = [...type.matchAll(/'([\w+]+)'/g)].map(([, value]) => value)
      for (const value of values)
        expect([name, setting?.parse.safeParse(value).success]).toEqual([name, true])
      words += values.length
      const refusal = setting?.parse.safeParse('none of these words').error?.issues[0]?.message ?? ''
      const [, listed] = /^must be one of (.+)$/.exec(refusal) ?? []
      if (listed !== undefined) expect([name, values]).toEqual([name, listed.split(', ')])
    }
    expect(words).toBeGreaterThan(40)
  })

  test('become the configuration: texts, lists and booleans', () => {
    const { config } = readOptions({
      ...good,
      oidcScopes: ['openid', 'orders:read'],
      spaOrigins: ['https://a.example.com', 'https://b.example.com'],
      sessionIdleTimeout: '20m',
      logLevel: undefined,
    } as object)
    expect(config).toMatchObject({
      publicUrl: good.publicUrl,
      basePath: '/shop',
      providers: [{ issuer: good.oidcIssuer, scopes: ['openid', 'orders:read'] }],
      allowedOrigins: ['https://app.example.com', 'https://a.example.com', 'https://b.example.com'],
      session: { idleTimeout: 20 * 60_000 },
      workers: 1,
    })
    expect(config.secrets).toHaveLength(2)
  })

  test('are refused by their own names, all at once', () => {
    const message = problemOf({
      ...good,
      publicUrl: 'http://app.example.com',
      oidcIsuer: 'x',
      PORT: '3000',
      port: 3000,
      OIDC_CLIENT_ID: 'x',
      sessionIdleTimeout: '2h',
      sessionAbsoluteTimeout: '1h',
      oidcTimeout: 5,
    })
    expect(message).toContain('Portico cannot start: 7 settings need your attention.')
    expect(message).toContain(
      "publicUrl must be https (http is accepted on a loopback host only)\n      for example: publicUrl: 'https://app.example.com'",
    )
    expect(message).toContain('oidcIsuer is no option\n')
    expect(message).toContain('port is no option: the app that Portico is embedded in does that itself')
    expect(message).toContain('oidcClientId is written as in the environment: write oidcClientId\n')
    expect(message).toContain('sessionIdleTimeout must not exceed sessionAbsoluteTimeout')
    expect(message).toContain('oidcTimeout must be a text, a list of texts or a boolean')
    expect(problemOf({ ...good, env: {} })).toContain('env is given beside settings: choose one')
  })

  test('may be an environment, of which a server has some settings alone', () => {
    const env = {
      PUBLIC_URL: 'https://app.example.com',
      BFF_SECRETS: testSecret(),
      OIDC_ISSUER: 'https://idp.example',
      OIDC_CLIENT_ID: 'app',
      PORT: 'of the app',
      WORKERS: '4',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
    }
    const { config } = readOptions({ env })
    expect([config.workers, config.traces, config.operator]).toEqual([1, undefined, undefined])
    expect(readOptions({ env: { ...env, OPERATOR_PORT: '9000' } }).config.operator).toEqual({ port: 9000 })
    expect(problemOf({ env: { ...env, PUBLIC_URL: '' } })).toContain('PUBLIC_URL is required')
  })

  test('createPortico throws a ConfigError before it starts anything', async () => {
    await expect(createPortico({ env: {} })).rejects.toBeInstanceOf(ConfigError)
    // @ts-expect-error: a misspelt name.
    await expect(createPortico({ ...good, oidcIsuer: '' })).rejects.toThrow('oidcIsuer is no option')
    // @ts-expect-error: a missing one.
    await expect(createPortico({ publicUrl: good.publicUrl })).rejects.toThrow('bffSecrets is required')
    // @ts-expect-error: another value than those that there are.
    await expect(createPortico({ ...good, oidcPkce: 'maybe' })).rejects.toThrow('oidcPkce')
  })
})

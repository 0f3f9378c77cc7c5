import { describe, expect, test } from 'vitest'
import { readConfig } from '../../../src/config/config.ts'
import { findUnknownVariables } from '../../../src/config/names/unknown-variables.ts'
import { settings } from '../../../src/config/settings.ts'
import { checkVariableNames } from '../../../src/doctor/config-checks.ts'
import { findConfigError } from '../../support/config-problems.ts'
import { testSecret } from '../../support/portico.ts'

const minimal = {
  PUBLIC_URL: 'https://app.example.com',
  BFF_SECRETS: testSecret(),
  OIDC_ISSUER: 'https://example.okta.com/oauth2/default',
  OIDC_CLIENT_ID: 'client',
}

type Env = Record<string, string | undefined>

const problemsOf = (env: Env) =>
  findConfigError(env)?.problems.map(({ variable, problem }) => `${variable} ${problem}`) ?? []

describe('a placeholder that was not replaced is named', () => {
  test.each([
    ['PUBLIC_URL', 'https://{your domain}', '{your domain}'],
    ['PUBLIC_URL', 'https://your-domain.com', 'your-domain'],
    ['OIDC_ISSUER', 'https://{yourOktaDomain}/oauth2/default', '{yourOktaDomain}'],
    ['OIDC_ISSUER', 'https://your-okta-domain.okta.com', 'your-okta-domain'],
    ['OIDC_ISSUER', 'https://dev-<id>.okta.com', '<id>'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dotenv leaves it as it is
    ['OIDC_ISSUER', 'https://${OKTA_DOMAIN}/oauth2/default', '${OKTA_DOMAIN}'],
    ['OIDC_ISSUER', 'https://login.microsoftonline.com/{tenantid}/v2.0', '{tenantid}'],
    ['OIDC_CLIENT_ID', '<client id>', '<client id>'],
    ['OIDC_CLIENT_ID', '...', '...'],
    ['OIDC_CLIENT_ID', 'your-client-id', 'your-client-id'],
    ['OIDC_CLIENT_ID', 'YOUR_CLIENT_ID', 'YOUR_CLIENT_ID'],
    ['OIDC_CLIENT_ID', 'changeme', 'changeme'],
    ['OIDC_CLIENT_ID', 'xxxx', 'xxxx'],
    ['SPA_ORIGINS', 'https://app.example.com,https://<your app>', '<your app>'],
  ])('%s=%s', (name, value, placeholder) => {
    expect(problemsOf({ ...minimal, [name]: value })).toEqual([
      `${name} still holds the placeholder ${placeholder}: replace it`,
    ])
  })

  test.each([
    ['OIDC_CLIENT_SECRET', '<client secret>'],
    ['OIDC_CLIENT_SECRET', '...'],
    ['OIDC_CLIENT_SECRET', 'your-client-secret'],
    ['BFF_SECRETS', '{secret}'],
    ['REDIS_URL', '<redis url>'],
  ])('%s=%s, without its text, because it is a secret', (name, value) => {
    const error = findConfigError({ ...minimal, [name]: value })
    expect(error?.message).toContain(`${name} is still a placeholder: replace it`)
    expect(error?.message).not.toContain(value)
  })

  test.each([
    ['{path of the .p8 file}', 'replace the placeholder {path of the .p8 file} in OIDC_CLIENT_KEY_FILE'],
    [
      '/does/not/exist.p8',
      'correct the path, which begins with / or in the folder in which the server was started',
    ],
  ])('OIDC_CLIENT_KEY_FILE=%s, which cannot be read: what to do is said', (file, fix) => {
    const error = findConfigError({ ...minimal, OIDC_CLIENT_KEY_FILE: file })
    expect(error?.message).toContain(`OIDC_CLIENT_KEY_FILE names (ENOENT)\n      ${fix}\n`)
  })

  test.each([
    ['OIDC_CLIENT_SECRET', 'aB3{xyz}dE<f>9$'],
    ['OIDC_CLIENT_SECRET', 'changeme'],
    ['OIDC_CLIENT_ID', 'my-client'],
    ['OIDC_CLIENT_ID', 'todo-app'],
    ['PUBLIC_URL', 'https://www.yourkit.com'],
    ['PUBLIC_URL', 'https://your-energy.co.uk'],
    ['OIDC_AUTHORIZATION_PARAMS', 'claims={"id_token":{"acr":null}}'],
    ['APP_TOKEN_GROUPS', 'Admins,portal-*'],
  ])('%s=%s is none', (name, value) => {
    expect(problemsOf({ ...minimal, [name]: value })).toEqual([])
  })

  test('no example and no default is one', () => {
    for (const [name, setting] of Object.entries(settings)) {
      const isSecret = 'secret' in setting
      if (isSecret) continue
      const found = problemsOf({ ...minimal, [name]: setting.example })
      expect(found.filter((problem) => problem.includes('placeholder'))).toEqual([])
    }
  })
})

test.each(['*', 'https://*.example.com', 'https://app.example.com, *'])(
  'SPA_ORIGINS=%s: the origins have to be listed',
  (value) => {
    expect(problemsOf({ ...minimal, SPA_ORIGINS: value })).toEqual([
      'SPA_ORIGINS contains *, with which browsers use no credentials (cookies): list the origins',
    ])
  },
)

test('a port that Kubernetes has set for a Service is not taken for a typing error', () => {
  expect(problemsOf({ ...minimal, OPERATOR_PORT: 'tcp://10.0.0.1:9464' })).toEqual([
    expect.stringMatching(/^OPERATOR_PORT holds the address of a Service.*enableServiceLinks/),
  ])
})

describe('a variable that is no setting', () => {
  test.each([
    ['SESSION_TIMEOUT', 'SESSION_IDLE_TIMEOUT'],
    ['SESSION_IDLE_TIMOUT', 'SESSION_IDLE_TIMEOUT'],
    ['SESSION_ABSOLUTE_TIMEOUTS', 'SESSION_ABSOLUTE_TIMEOUT'],
    ['SESION_IDLE_TIMEOUT', 'SESSION_IDLE_TIMEOUT'],
    ['REDIS', 'REDIS_URL'],
    ['REDIS_URI', 'REDIS_URL'],
    ['TRUSTED_PROXY', 'TRUST_PROXY'],
    ['LOGLEVEL', 'LOG_LEVEL'],
    ['PORTICO_LOG_LEVEL', 'LOG_LEVEL'],
    ['CORS_ORIGINS', 'SPA_ORIGINS'],
    ['OIDC_CLIENT_SECERT', 'OIDC_CLIENT_SECRET'],
    ['OAUTH2_PROXY_CLIENT_SECRET', 'OIDC_CLIENT_SECRET'],
    ['PUBLIC_URLS', 'PUBLIC_URL'],
    ['OIDC_SOMETHING', undefined],
    ['OAUTH_SOMETHING', undefined],
  ])('%s: %s is meant', (name, meant) => {
    expect(findUnknownVariables({ ...minimal, [name]: 'x' })).toEqual([{ name, meant }])
  })

  test.each([
    ['PUBLIC_URL', 'BASE_URL'],
    ['BFF_SECRETS', 'SECRET'],
    ['OIDC_ISSUER', 'ISSUER'],
    ['OIDC_ISSUER', 'ISSUER_BASE_URL'],
    ['OIDC_ISSUER', 'OKTA_DOMAIN'],
    ['OIDC_ISSUER', 'AUTH0_DOMAIN'],
    ['OIDC_CLIENT_ID', 'CLIENT_ID'],
    ['OIDC_CLIENT_ID', 'OAUTH2_PROXY_CLIENT_ID'],
  ])(
    'where %s is missing, %s is noticed, beside the problem; where it is set, another program may use it',
    (meant, name) => {
      const env: Env = { ...minimal, [name]: 'x' }
      expect(findUnknownVariables(env)).toEqual([])
      const error = findConfigError({ ...env, [meant]: undefined })
      expect(error?.message).toMatch(new RegExp(`^ {2}${meant} is required`, 'm'))
      expect(error?.message).toContain(`  ${name} is not a setting of Portico; did you mean ${meant}?\n`)
    },
  )

  test('what other programs read beside HTTP_PROXY is not taken for it', () => {
    const others = { FTP_PROXY: 'x', ALL_PROXY: 'x', https_proxy: 'http://x', HTTP_PROXY: 'http://x' }
    expect(findUnknownVariables({ ...minimal, ...others })).toEqual([])
  })

  test('PROVIDERS_FILE and a mounted file count as set', () => {
    const { OIDC_ISSUER: _, OIDC_CLIENT_ID: __, ...server } = minimal
    const names = { ISSUER: 'x', CLIENT_ID: 'x', SESSION_SECRET: 'x' }
    expect(findUnknownVariables({ ...server, ...names, PROVIDERS_FILE: 'x' })).toEqual([])
    const fromFile = { ...minimal, BFF_SECRETS: undefined, BFF_SECRETS_FILE: '/run/secrets/bff' }
    expect(findUnknownVariables({ ...fromFile, ...names })).toEqual([])
  })

  test('the doctor warns, with the name that is meant', () => {
    expect(checkVariableNames({ ...minimal, SESSION_TIMEOUT: '1h', OIDC_SOMETHING: 'x' })).toMatchObject([
      {
        status: 'warn',
        message: expect.stringContaining('SESSION_TIMEOUT'),
        fix: 'check its spelling: did you mean SESSION_IDLE_TIMEOUT?',
      },
      { status: 'warn', fix: expect.stringContaining('check its spelling') },
    ])
  })

  test('those of shells, npm, Docker, clouds and other programs are left alone', () => {
    const names =
      'PATH HOME PWD OLDPWD SHLVL SHELL TERM LANG LC_ALL USER LOGNAME HOSTNAME TZ EDITOR _ ' +
      'NODE_ENV NODE_OPTIONS NODE_VERSION NODE_EXTRA_CA_CERTS YARN_VERSION CI DEBUG HTTP_PROXY HTTPS_PROXY NO_PROXY ' +
      'npm_config_cache npm_lifecycle_event npm_package_name INIT_CWD SESSION_MANAGER XDG_SESSION_ID SSH_AUTH_SOCK ' +
      'DBUS_SESSION_BUS_ADDRESS PORTS LOG_LEVELS_DIR PUBLIC_DIRECTORY OTEL_EXPORTER_OTLP_ENDPOINT OTEL_SERVICE_NAME ' +
      'KUBERNETES_SERVICE_HOST KUBERNETES_PORT_443_TCP AZURE_CLIENT_ID AZURE_TENANT_ID AWS_REGION GOOGLE_CLOUD_PROJECT ' +
      'INVOCATION_ID JOURNAL_STREAM CREDENTIALS_DIRECTORY NOTIFY_SOCKET SYSTEMD_EXEC_PID MEMORY_PRESSURE_WATCH'
    const env = Object.fromEntries(names.split(' ').map((name) => [name, 'x']))
    expect(findUnknownVariables({ ...minimal, ...env })).toEqual([])
  })

  test('those that Kubernetes sets for a Service are left alone', () => {
    const toLinks = (service: string) => ({
      [`${service}_SERVICE_HOST`]: '10.0.0.1',
      [`${service}_SERVICE_PORT`]: '80',
      [`${service}_SERVICE_PORT_HTTP`]: '80',
      [`${service}_PORT`]: 'tcp://10.0.0.1:80',
      [`${service}_PORT_80_TCP`]: 'tcp://10.0.0.1:80',
      [`${service}_PORT_80_TCP_PROTO`]: 'tcp',
      [`${service}_PORT_80_TCP_PORT`]: '80',
      [`${service}_PORT_80_TCP_ADDR`]: '10.0.0.1',
    })
    const env = Object.assign({}, ...['OAUTH', 'OIDC_PROVIDER', 'REDIS', 'PORTICO', 'BFF'].map(toLinks))
    expect(findUnknownVariables({ ...minimal, ...env })).toEqual([])
  })
})

test('a development server drains for no time, one in production for 5s, and either as SHUTDOWN_DRAIN says', () => {
  const production = { NODE_ENV: 'production', ALLOW_MEMORY_STORE: 'true' }
  const drainOf = (env: Env) => readConfig({ ...minimal, ...env }).shutdownDrain
  expect([drainOf({}), drainOf({ NODE_ENV: 'development' }), drainOf(production)]).toEqual([0, 0, 5_000])
  expect(drainOf({ SHUTDOWN_DRAIN: '7s' })).toBe(7_000)
  expect(drainOf({ ...production, SHUTDOWN_DRAIN: '0s' })).toBe(0)
})

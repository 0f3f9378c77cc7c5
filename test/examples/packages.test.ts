import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import rootManifest from '../../package.json' with { type: 'json' }
import { createTestBrowser } from '../support/browser.ts'
import { bundle } from '../support/chromium/bundle.ts'
import { launchChromium } from '../support/chromium/chromium.ts'
import { signInAsAda, startDemo } from '../support/chromium/demo.ts'
import { install, type PackedPackage, packages, run } from '../support/examples/pack.ts'
import { csrf, startLogin } from '../support/login.ts'
import { root, type TestProcess } from '../support/processes/start-process.ts'
import { signInAtOkta } from '../support/providers/okta.ts'

/** A project of TypeScript that has one package of ours, and nothing that this package does not bring. */
interface Project {
  packed: PackedPackage
  /** What a user of this package installs with it. */
  beside: string[]
  /** What `node_modules` then has, where it is little. */
  installed?: string[]
  /** What the package exports, by entry point. */
  exported: Record<string, string[]>
  /** Code that uses each entry point, and what it needs of the compiler. */
  file: string
  code: string
  settings?: object
}

/** For code that runs in a page; without it, tsc takes its default, as an API's project mostly does. */
const page = { lib: ['es2022', 'dom', 'dom.iterable'], jsx: 'react-jsx' }
const { react, '@types/react': reactTypes } = rootManifest.devDependencies

const projects: Record<keyof typeof packages, Project> = {
  server: {
    packed: packages.server,
    beside: [],
    exported: { 'portico-bff': ['ConfigError', 'PorticoError', 'SignInRefused', 'createPortico'] },
    file: 'app.ts',
    code: `
import { ConfigError, createPortico, type Portico, PorticoError, SignInRefused } from 'portico-bff'

const bffSecrets = crypto.randomUUID() + crypto.randomUUID()
const settings = { publicUrl: 'http://localhost:3000', bffSecrets, oidcIssuer: 'http://localhost:1' }
const problems = await createPortico(settings).catch((error: unknown) => error)
console.log(problems instanceof ConfigError ? problems.problems.length > 0 : problems)

const portico: Portico = await createPortico({
  ...settings,
  oidcClientId: 'shop',
  oidcClientAuth: 'none',
  onSignIn: ({ user }) => {
    if (user.sub === 'mallory') throw new SignInRefused('You may not sign in here.')
  },
})
export const handlers = [portico.router, portico.requireSession({ groups: ['Admins'] })]
const request = { method: 'GET', url: '/', headers: {} }
console.log((await portico.session(request)) === undefined)
const refused = await portico.accessToken(request).catch((error: unknown) => error)
console.log(refused instanceof PorticoError ? refused.code : refused)
await portico.close()
`,
  },
  verify: {
    packed: packages.verify,
    beside: [],
    installed: ['@portico-bff/verify', 'jose'],
    exported: {
      '@portico-bff/verify': [
        'TokenRefused',
        'createTokenVerifier',
        'requireAuthentication',
        'requireGroup',
        'requireScope',
        'requireToken',
      ],
    },
    file: 'app.ts',
    code: `
import {
  type AppTokenClaims,
  createTokenVerifier,
  requireAuthentication,
  requireGroup,
  requireScope,
  requireToken,
  TokenRefused,
  type TokenVerifierOptions,
} from '@portico-bff/verify'

declare const process: { argv: string[] }
const [, , issuer = '', token = ''] = process.argv

const options: TokenVerifierOptions = { issuer, scope: 'orders:read' }
const verifyToken = createTokenVerifier(options)
const withToken = (scheme: string) => ({ method: 'GET', url: '/orders', headers: { authorization: scheme + token } })
const claims: AppTokenClaims = await verifyToken(withToken('Bearer '))
const refused = await verifyToken(withToken('Bearer x')).catch((error: unknown) => error)
console.log(JSON.stringify([claims.name, refused instanceof TokenRefused ? refused.status : refused]))

const request: Parameters<ReturnType<typeof requireToken>>[0] = { headers: withToken('Bearer ').headers }
const response = { statusCode: 0, setHeader() {}, end() {} }
const guards = [
  requireToken(options),
  requireScope('orders:read'),
  requireGroup('Everyone'),
  requireAuthentication({ maxAge: 300 }),
]
for (const guard of guards) await guard(request, response, (error) => console.log(JSON.stringify({ error })))
`,
  },
  client: {
    packed: packages.client,
    beside: [],
    installed: ['@portico-bff/client', 'dpop'],
    exported: {
      '@portico-bff/client': ['PorticoError', 'createPortico'],
      '@portico-bff/client/mock': ['createMockPortico'],
    },
    settings: page,
    file: 'app.ts',
    code: `
import { createPortico, PorticoError, type PorticoState, type PorticoUser } from '@portico-bff/client'
import { createMockPortico } from '@portico-bff/client/mock'

interface Employee extends PorticoUser {
  department: string
}

const portico = createPortico<Employee>({ apiOrigins: [location.origin] })
const show = () => {
  const state: PorticoState<Employee> = portico.getState()
  const department: string | undefined = state.user?.department
  document.title = [state.status, state.user?.name, department].filter(Boolean).join(' ')
}
portico.subscribe(show)
portico.on('user-changed', ({ user, previous }) => console.log(user.department, previous.sub))
portico.getToken({ fresh: true }).catch((error: unknown) => {
  document.body.textContent = error instanceof PorticoError ? error.code : ''
})
const mock: typeof portico = createMockPortico<Employee>({ user: { sub: '42', department: 'Engines' } })
document.body.dataset.mock = mock.getState().status
`,
  },
  react: {
    packed: packages.react,
    beside: [packages.client.tarball, `react@${react}`, `@types/react@${reactTypes}`],
    installed: ['@portico-bff/client', '@portico-bff/react', '@types/react', 'csstype', 'dpop', 'react'],
    exported: {
      '@portico-bff/react': ['Callback', 'PorticoProvider', 'RequireAuth', 'usePortico', 'useToken'],
    },
    settings: page,
    file: 'app.tsx',
    code: `
import { createPortico } from '@portico-bff/client'
import { Callback, PorticoProvider, RequireAuth, usePortico, useToken } from '@portico-bff/react'

const portico = createPortico({ apiOrigins: ['https://api.example.com'] })

function Account() {
  const { user, logout } = usePortico()
  const token: string | undefined = useToken()
  return <button onClick={() => logout()}>{user?.name} {token}</button>
}

export const app = (
  <PorticoProvider portico={portico}>
    <RequireAuth>
      <Account />
    </RequireAuth>
    <Callback />
  </PorticoProvider>
)
`,
  },
}

/** The strictest settings: tsc also checks the declarations of the packages, which find no others. */
const strictest = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  verbatimModuleSyntax: true,
  skipLibCheck: false,
  types: [],
  target: 'es2022',
  noEmit: true,
}

let folder: string
let browser: Browser
let demo: TestProcess
let url: string
const folderOf = ({ packed }: Project) => join(folder, packed.manifest.name)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portico-packages-'))
  const starting = startDemo(['--redirect', 'server'])
  await Promise.all(
    Object.values(projects).map(async (project) => {
      mkdirSync(folderOf(project), { recursive: true })
      writeFileSync(
        join(folderOf(project), 'package.json'),
        JSON.stringify({ private: true, type: 'module' }),
      )
      writeFileSync(join(folderOf(project), project.file), project.code)
      await install([project.packed.tarball, ...project.beside], folderOf(project))
    }),
  )
  browser = await launchChromium()
  ;({ process: demo, url } = await starting)
})
afterAll(async () => {
  await browser.close()
  await demo.stop('SIGKILL')
  rmSync(folder, { recursive: true })
})

/** All files below a folder, by their path from it. */
const filesIn = (path: string): string[] =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
const sizeOf = (path: string) => filesIn(path).reduce((sum, file) => sum + statSync(file).size, 0)
const kilobytes = (bytes: number) => `${Math.ceil(bytes / 1000)} kB`

/** The packages that a project has. */
const installedIn = (project: Project): string[] => {
  const modules = join(folderOf(project), 'node_modules')
  return readdirSync(modules)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) =>
      name.startsWith('@') ? readdirSync(join(modules, name)).map((inner) => `${name}/${inner}`) : [name],
    )
}

/** What may be in a package: nothing of what it is made from, and no tests. */
const allowed = /^(package\.json|README\.md|LICENSE|dist\/[\w./-]+\.(js|d\.ts))$/
const alsoInServer = /^(docs\/[\w./-]+|\.env\.example|CHANGELOG\.md|SECURITY\.md)$/

describe.each(Object.entries(projects))('the package of %s', (kind, project) => {
  const { manifest, tarball } = project.packed
  const { name, version, exports, bin = {}, dependencies, repository } = manifest
  const packageFolder = () => join(folderOf(project), 'node_modules', name)

  test('has the files that it names, and no others', () => {
    const files = filesIn(packageFolder()).map((file) => file.slice(packageFolder().length + 1))
    const strangers = files.filter((file) => !allowed.test(file))
    expect(strangers.filter((file) => kind !== 'server' || !alsoInServer.test(file))).toEqual([])
    expect(files).toEqual(expect.arrayContaining(['package.json', 'README.md', 'LICENSE']))
    const named = [bin, ...Object.values(exports)].flatMap((entry) =>
      typeof entry === 'string' ? entry : Object.values(entry),
    )
    for (const file of [...named, ...manifest.files])
      expect([file, existsSync(join(packageFolder(), file))]).toEqual([file, true])
  })

  test('brings only what it needs', () => {
    const installed = installedIn(project)
    const sizes = [
      statSync(tarball).size,
      sizeOf(packageFolder()),
      sizeOf(join(folderOf(project), 'node_modules')),
    ]
    const [packed, unpacked, all] = sizes.map(kilobytes)
    process.stdout.write(
      `${name}: ${packed} packed, ${unpacked} unpacked, ${all} in ${installed.length} packages.\n`,
    )
    if (project.installed !== undefined) expect(installed.sort()).toEqual(project.installed)
    expect(installed.filter((other) => kind === 'server' && /^(@portico-bff\/|react$)/.test(other))).toEqual(
      [],
    )
  })

  test('has the version of the others, and comes from the same repository', () => {
    expect(version).toBe(rootManifest.version)
    expect(repository.url).toBe(rootManifest.repository.url)
    const ours = Object.entries(dependencies).filter(([other]) => other.startsWith('@portico-bff/'))
    for (const dependency of ours) expect(dependency).toEqual([dependency[0], version])
  })

  test('type-checks with the strictest settings, and has no types but those of its entry points', () => {
    const specifiers = Object.keys(exports).flatMap((path) =>
      path.endsWith('.json') ? [] : [path.replace('.', name)],
    )
    expect(Object.keys(project.exported)).toEqual(specifiers)
    for (const specifier of specifiers) expect(project.code).toContain(`from '${specifier}'`)
    const tsc = (...args: string[]) => run(join(root, 'node_modules/.bin/tsc'), args, folderOf(project))
    for (const moduleResolution of ['nodenext', 'bundler']) {
      const module = moduleResolution === 'bundler' ? 'esnext' : moduleResolution
      const compilerOptions = { ...strictest, module, moduleResolution, ...project.settings }
      writeFileSync(
        join(folderOf(project), 'tsconfig.json'),
        JSON.stringify({ compilerOptions, files: [project.file] }),
      )
      tsc()
    }
    const read = tsc('--listFilesOnly').split('\n')
    const declarations = filesIn(packageFolder()).filter((file) => file.endsWith('.d.ts'))
    expect(
      declarations.filter((file) => !read.some((path) => resolve(folderOf(project), path) === file)),
    ).toEqual([])
  })

  test('runs: each entry point, by import and by require', () => {
    writeFileSync(
      join(folderOf(project), 'load.js'),
      `import { createRequire } from 'node:module'
      const loaded = {}
      for (const name of process.argv.slice(2)) {
        const imported = await import(name)
        if (createRequire(import.meta.url)(name) !== imported) throw new Error('require() loads ' + name + ' again')
        loaded[name] = Object.keys(imported).filter((key) => key !== '__esModule')
      }
      console.log(JSON.stringify(loaded))`,
    )
    const args = ['load.js', ...Object.keys(project.exported)]
    expect(JSON.parse(run(process.execPath, args, folderOf(project)))).toEqual(project.exported)
  })
})

test('the server runs: its command makes secrets', () => {
  expect(run(join(folderOf(projects.server), 'node_modules/.bin/portico-bff'), ['keys'], folder)).toMatch(
    /^BFF_SECRETS=/m,
  )
})

test('the server runs in an app', () => {
  const lines = run(process.execPath, ['app.ts'], folderOf(projects.server)).trim().split('\n')
  expect(lines.filter((line) => !line.startsWith('{'))).toEqual(['true', 'true', 'session_required'])
})

test('the verifier accepts a token of Portico, and refuses another', async () => {
  const visitor = createTestBrowser()
  const callback = await signInAtOkta(visitor, await startLogin({ url }, visitor))
  await visitor.arrive(callback.href)
  const issued = await visitor.fetch(`${url}/api/token`, { method: 'POST', headers: csrf })
  const { token } = (await issued.json()) as { token: string }
  const printed = run(process.execPath, ['app.ts', url, token], folderOf(projects.verify)).trim().split('\n')
  expect(printed.map((line) => JSON.parse(line) as unknown)).toEqual([['Ada Lovelace', 401], {}, {}, {}, {}])
})

test('the client runs in a browser', async () => {
  const files = await bundle(join(folderOf(projects.client), 'app.ts'))
  const tab = await browser.newPage()
  await tab.route(`${url}/packed/*`, (route) => {
    const name = new URL(route.request().url()).pathname.slice('/packed/'.length)
    const file = files.find((candidate) => candidate.name === name)
    return file === undefined
      ? route.fulfill({
          contentType: 'text/html',
          body: '<body><script type="module" src="app.js"></script></body>',
        })
      : route.fulfill({ contentType: 'text/javascript', body: file.code })
  })
  await tab.goto(`${url}/packed/`)
  await expect.poll(() => tab.title()).toBe('signed-out')
  await expect.poll(() => tab.locator('body').textContent()).toBe('session_required')
  await expect.poll(() => tab.locator('body').getAttribute('data-mock')).toBe('signed-in')

  await tab.goto(`${url}/api/login?return_to=/readyz`)
  await signInAsAda(tab)
  await tab.waitForURL(`${url}/readyz`)
  await tab.goto(`${url}/packed/`)
  await expect.poll(() => tab.title()).toBe('signed-in Ada Lovelace')
})

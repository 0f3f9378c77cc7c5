import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import { bundle } from '../support/chromium/bundle.ts'
import { launchChromium } from '../support/chromium/chromium.ts'
import { signInAsAda, startDemo } from '../support/chromium/demo.ts'
import { npm, run, tarball } from '../support/examples/pack.ts'
import { root, type TestProcess } from '../support/processes/start-process.ts'

const usesClient = `
import { createPortico, PorticoError, type PorticoState, type PorticoUser } from 'portico-bff/client'

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
`

const usesReact = `
import { createPortico } from 'portico-bff/client'
import { PorticoProvider, RequireAuth, usePortico, useToken } from 'portico-bff/react'

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
  </PorticoProvider>
)
`

/** The strictest settings: tsc also checks the declarations of the package, which find no others. */
const settings = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  types: [],
  lib: ['es2022', 'dom', 'dom.iterable'],
  target: 'es2022',
  module: 'esnext',
  moduleResolution: 'bundler',
  jsx: 'react-jsx',
  noEmit: true,
}

/** A project that has nothing but this package, as npm publishes it. */
let project: string
let browser: Browser
let demo: TestProcess
let url: string

const install = (name: string) => npm(['install', '--prefer-offline', '--no-audit', name], project)

/** Type-checks the project with only this file in it. */
function typeCheck(file: string, text: string): void {
  writeFileSync(join(project, file), text)
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: settings, files: [file] }))
  run(join(root, 'node_modules/.bin/tsc'), [], project)
}

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), 'portico-project-'))
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  install(tarball)
  browser = await launchChromium()
  ;({ process: demo, url } = await startDemo(['--redirect', 'server']))
})
afterAll(async () => {
  await browser.close()
  await demo.stop('SIGKILL')
  rmSync(project, { recursive: true })
})

test('the package in an empty TypeScript project: the client type-checks, and runs in a browser', async () => {
  typeCheck('app.ts', usesClient)
  const files = await bundle(join(project, 'app.ts'))
  const page = await browser.newPage()
  await page.route(`${url}/packed/*`, (route) => {
    const name = new URL(route.request().url()).pathname.slice('/packed/'.length)
    const file = files.find((candidate) => candidate.name === name)
    return file === undefined
      ? route.fulfill({
          contentType: 'text/html',
          body: '<body><script type="module" src="app.js"></script></body>',
        })
      : route.fulfill({ contentType: 'text/javascript', body: file.code })
  })
  await page.goto(`${url}/packed/`)
  await expect.poll(() => page.title()).toBe('signed-out')
  await expect.poll(() => page.locator('body').textContent()).toBe('session_required')

  await page.goto(`${url}/api/login?return_to=/readyz`)
  await signInAsAda(page)
  await page.waitForURL(`${url}/readyz`)
  await page.goto(`${url}/packed/`)
  await expect.poll(() => page.title()).toBe('signed-in Ada Lovelace')
})

test('with the types of React: the components type-check', () => {
  install(`@types/react@${manifest.devDependencies['@types/react']}`)
  typeCheck('app.tsx', usesReact)
})

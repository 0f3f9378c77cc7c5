import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** The types of the verifier, as an API sees them: with those of Express and Node, and without. */

const root = join(import.meta.dirname, '../../..')
const folder = mkdtempSync(join(tmpdir(), 'portico-types-'))
/** A folder in which nothing can be imported but the verifier. */
const bare = join(folder, 'bare')
/** A folder that has the packages of this repository. */
const full = join(folder, 'full')

/** Milliseconds: the compiler takes a second, and many on a busy machine. */
const patience = 60_000
const common = ['--ignoreConfig', '--strict', '--target', 'es2022', '--module', 'nodenext']

/** Runs the compiler; returns what it reports. */
function compile(args: readonly string[], cwd = root): string {
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const { stdout, stderr } = spawnSync(process.execPath, [compiler, ...common, ...args], {
    cwd,
    encoding: 'utf8',
  })
  return stdout + stderr
}

/** Checks programs of an API. */
function check(at: string, programs: readonly string[], args: readonly string[]): string {
  const files = programs.map((program, index) => {
    writeFileSync(join(at, `api-${index}.mts`), program)
    return `api-${index}.mts`
  })
  return compile(['--noEmit', ...args, ...files], at)
}

beforeAll(() => {
  for (const at of [bare, full]) mkdirSync(at, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  symlinkSync(join(root, 'node_modules'), join(full, 'node_modules'))
  const emit = [
    '--declaration',
    '--emitDeclarationOnly',
    '--rewriteRelativeImportExtensions',
    '--skipLibCheck',
  ]
  const place = ['--types', 'node', '--lib', 'es2024', '--rootDir', 'src', '--outDir', join(folder, 'dist')]
  expect(compile([...emit, ...place, 'src/verify/verify.ts'])).toBe('')
}, patience)
afterAll(() => rmSync(folder, { recursive: true }))

const withNode = ['--types', 'node', '--lib', 'es2023', '--exactOptionalPropertyTypes']

test('they need no other types: neither of Express, nor of Node, nor of jose, nor of the DOM', {
  timeout: patience,
}, () => {
  const program = `
    import { createTokenVerifier, requireScope, requireToken, TokenRefused } from '../dist/verify/verify.js'
    const options = { issuer: 'https://app.example.com', scope: ['a', 'b'], groups: ['Admins', { idp: 'okta' }] }
    export const guards = [requireToken(options), requireScope('c')]
    const verifyToken = createTokenVerifier({ ...options, algorithms: ['RS256'], typ: 'JWT', acr: 'x', maxAge: 5 })
    export async function answer(headers: Record<string, string>): Promise<[number, string]> {
      try {
        const { sub, scope, scp = [], groups = [], cnf } = await verifyToken({ headers }, { scope: 'd' })
        const texts: string[] = [sub, scope, ...scp, ...groups, cnf?.jkt ?? '']
        return [200, texts.join(' ')]
      } catch (error) {
        if (error instanceof TokenRefused) return [error.status, error.body + error.headers['WWW-Authenticate']]
        throw error
      }
    }`
  expect(check(bare, [program], ['--types', '', '--lib', 'es2022'])).toBe('')
})

test('the middleware fits Express and fills req.auth; requests of Node and of Fetch fit verifyToken', {
  timeout: patience,
}, () => {
  const inExpress = `
    import express, { Router, type RequestHandler } from 'express'
    import { createServer } from 'node:http'
    import * as portico from '../dist/verify/verify.js'
    const guard: RequestHandler = portico.requireToken({ issuer: 'https://app.example.com' })
    const app = express().use(guard, portico.requireScope('a'), portico.requireGroup('b', { idp: ['c'] }))
    app.get('/orders/:id', portico.requireAuthentication({ maxAge: 300 }), (req, res) => {
      const claims: portico.AppTokenClaims | undefined = req.auth
      res.json({ id: req.params.id, sub: claims?.sub, scope: req.auth?.scope.split(' ') })
    })
    Router().use(guard)
    createServer((req, res) => void portico.requireToken({ issuer: 'x' })(req, res, () => res.end()))`
  const elsewhere = `
    import { createTokenVerifier, TokenRefused } from '../dist/verify/verify.js'
    import type { IncomingMessage, ServerResponse } from 'node:http'
    import type { Http2ServerRequest } from 'node:http2'
    const verifyToken = createTokenVerifier({ issuer: 'https://app.example.com' })
    export const inNode = (req: IncomingMessage | Http2ServerRequest) => verifyToken(req)
    export const refuse = (res: ServerResponse, { status, headers, body }: TokenRefused) =>
      res.writeHead(status, headers).end(body)
    export const inFetch = (request: Request): Promise<Response> =>
      verifyToken(request).then(
        ({ sub }) => new Response(sub),
        (error: TokenRefused) => new Response(error.body, error),
      )`
  expect(check(full, [inExpress, elsewhere], withNode)).toBe('')
})

/** As express-oauth2-jwt-bearer declares it. */
const foreign = `
  declare global {
    namespace Express {
      interface Request {
        auth?: { payload: object; token: string }
      }
    }
  }
  export {}`

test('another library that has a req.auth of its own does not keep the middleware from fitting', {
  timeout: patience,
}, () => {
  writeFileSync(join(full, 'foreign.d.ts'), foreign)
  const program = `
    import './foreign.d.ts'
    import express from 'express'
    import { requireToken } from '../dist/verify/verify.js'
    express().use(requireToken({ issuer: 'https://app.example.com' }))`
  // Both declarations of req.auth are in libraries; without skipLibCheck, TypeScript reports the second one.
  expect(check(full, [program], [...withNode, '--skipLibCheck'])).toBe('')
})

import { accessSync, constants, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Parser, parser } from './parsers.ts'
import { isLoopback } from './private-url.ts'
import { readHttpUrl, toOrigin } from './url-parsers.ts'

/** The directory of a build of the app; `findBuildProblem` looks at it. */
export const spaDirectory: Parser<string> = parser((text) => resolve(text))

/** What keeps a directory from being served as the app, as the rest of a sentence. */
export function findBuildProblem(path: string): string | undefined {
  if (!isDirectory(path)) return 'must be a directory that exists: the build of the app'
  try {
    accessSync(path, constants.R_OK | constants.X_OK)
    accessSync(join(path, 'index.html'), constants.R_OK)
    return undefined
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    return isMissing
      ? 'has no index.html: build the app first, and name the directory of the result'
      : 'must be readable for this process, index.html included'
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

/** The origin of a dev server on this machine: nothing else should reach one. */
export const devServer: Parser<string> = parser((text) => {
  const url = readHttpUrl(text)
  if (!isLoopback(url)) throw new Error('must be on a loopback host: localhost, 127.0.0.1 or [::1]')
  return toOrigin(url, text)
})

/** A whole Content-Security-Policy (CSP Level 3, 2.2), or `off`. */
export const contentSecurityPolicy: Parser<string> = parser((text) => {
  if (text === 'off') return text
  if (!/^[\x20-\x7e]*$/.test(text)) throw new Error('must be one line of ASCII')
  const directives = text.split(';').map((directive) => directive.trim())
  if (!directives.every((directive) => /^(?:[a-z-]+(?: .*)?)?$/i.test(directive))) {
    throw new Error('must be directives with semicolons between them, or off')
  }
  if (!directives.some((directive) => /^(?:default|script)-src /i.test(directive))) {
    throw new Error('must have default-src or script-src, or be off')
  }
  return text
})

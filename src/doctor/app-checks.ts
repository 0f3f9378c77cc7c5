import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import { type Finding, pass, warn } from './finding.ts'

/**
 * Checks that the app which this server serves is complete: every file that its index.html names is there.
 */
export function checkApp({ spa, basePath, publicUrl }: Config): Finding[] {
  const check = 'app'
  if (spa === undefined) return []
  if (spa.kind === 'dev-server') return [pass(check, `its dev server, ${spa.url}, answers at ${publicUrl}`)]
  const paths = listFiles(readFileSync(join(spa.path, 'index.html'), 'utf8'), publicUrl)
  // A build may be for the path of PUBLIC_URL, or for the root of the origin.
  const toFile = (path: string) => (path.startsWith(`${basePath}/`) ? path.slice(basePath.length) : path)
  const missing = paths.filter((path) => !existsSync(join(spa.path, toFile(path))))
  if (missing.length === 0) {
    return [pass(check, `${spa.path}: index.html, and all ${paths.length} files that it names`)]
  }
  const message = `index.html in ${spa.path} names ${missing.join(', ')}, which this server does not have`
  return [warn(check, message, `build the app again, for the base path ${basePath}/`)]
}

/** The paths of this server's files that a page names: other links have no extension. */
function listFiles(html: string, publicUrl: string): string[] {
  const { origin } = new URL(publicUrl)
  return [...html.matchAll(/\b(?:src|href)="([^"]*)"/g)].flatMap(([, address = '']) => {
    const url = URL.parse(address, `${publicUrl}/`)
    return url?.origin === origin && /\.\w+$/.test(url.pathname) ? [decode(url.pathname)] : []
  })
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

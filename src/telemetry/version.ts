import { readFileSync } from 'node:fs'

/** Returns the version of this program, from its package.json, which is two folders above in any build. */
export function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return version
}

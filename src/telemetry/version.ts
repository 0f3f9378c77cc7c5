import { readFileSync } from 'node:fs'

/** What this program uses of its package.json. */
interface PackageJson {
  version: string
  engines: { node: string }
}

/** Returns the version of this program. */
export const readVersion = (): string => readPackage().version

/** Returns the range of Node's versions with which this program runs. */
export const readEngines = (): { node: string } => readPackage().engines

/** Reads package.json, which is two folders above in any build. */
const readPackage = () =>
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as PackageJson

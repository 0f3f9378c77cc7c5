import type { Request } from 'express'
import type { Config } from '../../config/config.ts'
import { readAddress } from './address.ts'

/** A name, and what must all be found for it. One pattern with a gap in it would take quadratic time. */
type Names = [name: string, ...patterns: RegExp[]]

/** Names browsers give of themselves, the telling ones first: most of them claim to be others as well. */
const browsers: readonly Names[] = [
  ['Edge', /\bEdg(?:e|A|iOS)?\//],
  ['Opera', /\b(?:OPR|Opera)\//],
  ['Samsung Internet', /\bSamsungBrowser\//],
  ['Firefox', /\b(?:Firefox|FxiOS)\//],
  ['Chrome', /\b(?:Chrome|CriOS|Chromium|HeadlessChrome)\//],
  ['Safari', /\bVersion\//, /\bSafari\//],
]

const systems: readonly Names[] = [
  ['iPhone', /\biPhone\b/],
  ['iPad', /\biPad\b/],
  ['Android', /\bAndroid\b/],
  ['ChromeOS', /\bCrOS\b/],
  ['Windows', /\bWindows\b/],
  ['macOS', /\bMac OS X\b|\bMacintosh\b/],
  ['Linux', /\bLinux\b/],
]

const nameOf = (names: readonly Names[], userAgent: string) =>
  names.find(([, ...patterns]) => patterns.every((pattern) => pattern.test(userAgent)))?.[0]

/** What a person would call the browser they sit at, such as "Firefox on Linux"; nothing is ever decided by it. */
export function toDeviceName(userAgent = ''): string {
  const browser = nameOf(browsers, userAgent)
  const system = nameOf(systems, userAgent)
  if (browser === undefined && system === undefined) return 'Unknown device'
  return `${browser ?? 'A browser'}${system === undefined ? '' : ` on ${system}`}`
}

/**
 * By what a person may recognise a session of theirs later: the device, and the address where TRUST_PROXY vouches for it.
 * Behind a proxy that it does not name, all people come from the proxy's address.
 */
export function createClientDescriber({ trustProxy, secureCookies }: Config) {
  const isVouchedFor = trustProxy.length > 0 || !secureCookies
  return (req: Request): { device: string; address?: string } => {
    const device = toDeviceName(req.get('user-agent'))
    const address = readAddress(req)
    return isVouchedFor && address !== undefined ? { device, address } : { device }
  }
}

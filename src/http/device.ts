import type { Request } from 'express'
import type { Config } from '../config/config.ts'
import { readAddress } from './address.ts'

/** Names browsers give of themselves, the telling ones first: most of them claim to be others as well. */
const browsers: readonly [RegExp, string][] = [
  [/\bEdg(?:e|A|iOS)?\//, 'Edge'],
  [/\b(?:OPR|Opera)\//, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  [/\b(?:Chrome|CriOS|Chromium|HeadlessChrome)\//, 'Chrome'],
  [/\bVersion\/\S+ .*\bSafari\//, 'Safari'],
]

const systems: readonly [RegExp, string][] = [
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b|\bMacintosh\b/, 'macOS'],
  [/\bLinux\b/, 'Linux'],
]

const nameOf = (names: readonly [RegExp, string][], userAgent: string) =>
  names.find(([pattern]) => pattern.test(userAgent))?.[1]

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
export function createSeenAsReader({ trustProxy, secureCookies }: Config) {
  const isVouchedFor = trustProxy.length > 0 || !secureCookies
  return (req: Request): { device: string; address?: string } => {
    const device = toDeviceName(req.get('user-agent'))
    const address = readAddress(req)
    return isVouchedFor && address !== undefined ? { device, address } : { device }
  }
}

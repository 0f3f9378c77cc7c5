import type { Request } from 'express'
import type { Config } from '../../config/config.ts'
import { readClientAddress } from './address.ts'

/** Where a user signed in from. It helps the user to recognise a session later, and decides nothing. */
export interface SignInClient {
  /** What the user would call the browser, such as "Firefox on Linux". */
  device: string
  /** The client's IP address; absent where it may be that of a proxy, which TRUST_PROXY does not name. */
  address?: string
}

/** Describes the client of a request. */
export type DescribeClient = (req: Request) => SignInClient

/**
 * Creates the describer of clients. Behind a proxy that TRUST_PROXY does not name, all users come from the
 * proxy's address, which says nothing.
 */
export function createClientDescriber({ trustProxy, secureCookies }: Config): DescribeClient {
  const isAddressKnown = trustProxy.length > 0 || !secureCookies
  return (req) => {
    const device = toDeviceName(req.get('user-agent'))
    const address = readClientAddress(req)
    return isAddressKnown && address !== undefined ? { device, address } : { device }
  }
}

/** The name of the browser and the system in a User-Agent header. */
export function toDeviceName(userAgent = ''): string {
  const browser = findName(browsers, userAgent)
  const system = findName(systems, userAgent)
  if (browser === undefined && system === undefined) return 'Unknown device'
  return `${browser ?? 'A browser'}${system === undefined ? '' : ` on ${system}`}`
}

const findName = (names: readonly Name[], userAgent: string) =>
  names.find(([, ...patterns]) => patterns.every((pattern) => pattern.test(userAgent)))?.[0]

/**
 * A name, and the patterns that must all match. One pattern with a gap in its middle would take quadratic
 * time.
 */
type Name = [name: string, ...patterns: RegExp[]]

/** Browsers, the most specific patterns first: most browsers also claim to be other ones. */
const browsers: readonly Name[] = [
  ['Edge', /\bEdg(?:e|A|iOS)?\//],
  ['Opera', /\b(?:OPR|Opera)\//],
  ['Samsung Internet', /\bSamsungBrowser\//],
  ['Firefox', /\b(?:Firefox|FxiOS)\//],
  ['Chrome', /\b(?:Chrome|CriOS|Chromium|HeadlessChrome)\//],
  ['Safari', /\bVersion\//, /\bSafari\//],
]

const systems: readonly Name[] = [
  ['iPhone', /\biPhone\b/],
  ['iPad', /\biPad\b/],
  ['Android', /\bAndroid\b/],
  ['ChromeOS', /\bCrOS\b/],
  ['Windows', /\bWindows\b/],
  ['macOS', /\bMac OS X\b|\bMacintosh\b/],
  ['Linux', /\bLinux\b/],
]

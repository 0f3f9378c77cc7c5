import { normalizeIpAddress } from '../request/address.ts'

/** No chain of proxies is longer: a client made up whatever comes before the last entries. */
const maxEntries = 20

/**
 * What a proxy writes that does not know its client (RFC 7239 6.3). It is no address, so nothing before it is
 * read.
 */
const unknown = 'unknown'

/** An address with its port, IPv6 in brackets. */
const withPort = /^(?:\[([^\]]*)\]|([\d.]+))(?::\d{1,5})?$/

/**
 * X-Forwarded-For with addresses alone, without the ports, brackets, quotes and zones that proxies add. Every
 * entry that is no address becomes the same word; otherwise each new word would be a new client with rate
 * limits of its own.
 */
export function normalizeForwardedFor(value: string): string {
  const entries = value
    .split(',')
    .map((entry) => entry.replaceAll('"', '').trim())
    .filter((entry) => entry !== '')
  return entries.slice(-maxEntries).map(normalizeEntry).join(', ') || unknown
}

function normalizeEntry(entry: string): string {
  const [, inBrackets, ipv4] = withPort.exec(entry) ?? []
  return normalizeIpAddress(inBrackets ?? ipv4 ?? entry) ?? unknown
}

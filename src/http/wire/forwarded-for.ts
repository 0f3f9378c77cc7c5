import { toPlainAddress } from '../request/address.ts'

/** More proxies stand in no row: what lies before the last entries is made up by the client. */
const mostEntries = 20

/** What proxies write who do not know their client (RFC 7239 6.3); no address, so that nothing before it is read. */
const unknown = 'unknown'

/** An address with its port, IPv6 in brackets. */
const withPort = /^(?:\[([^\]]*)\]|([\d.]+))(?::\d{1,5})?$/

/**
 * X-Forwarded-For as addresses alone, whatever its proxies put around them: ports, brackets, quotes, zones. All that is
 * no address becomes the same word: counted as it stands, each new word would be a new client with limits of its own.
 */
export function toPlainForwardedFor(value: string): string {
  const entries = value
    .split(',')
    .map((entry) => entry.replaceAll('"', '').trim())
    .filter((entry) => entry !== '')
  return entries.slice(-mostEntries).map(toPlainEntry).join(', ') || unknown
}

function toPlainEntry(entry: string): string {
  const [, inBrackets, ipv4] = withPort.exec(entry) ?? []
  return toPlainAddress(inBrackets ?? ipv4 ?? entry) ?? unknown
}

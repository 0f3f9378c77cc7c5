import { isIP, SocketAddress } from 'node:net'
import type { Request } from 'express'

/**
 * The client's IP address, from X-Forwarded-For where TRUST_PROXY names the proxy; undefined where that proxy
 * sent no address.
 */
export const readClientAddress = ({ ip = '' }: Pick<Request, 'ip'>): string | undefined =>
  normalizeIpAddress(ip)

/**
 * Whether a request comes from a proxy that TRUST_PROXY names, directly: what anyone else says of a request
 * in a header may be false.
 */
export function isFromTrustedProxy({ app, socket }: Pick<Request, 'app' | 'socket'>): boolean {
  // Compiled by Express from TRUST_PROXY, as for X-Forwarded-For.
  const isTrusted: (address: string | undefined, distance: number) => boolean = app.get('trust proxy fn')
  return socket.remoteAddress !== undefined && isTrusted(socket.remoteAddress, 0)
}

/**
 * The canonical spelling of an IP address: without zone, and an IPv4-mapped IPv6 address as IPv4. Undefined
 * where the text is no address.
 */
export function normalizeIpAddress(address: string): string | undefined {
  const family = isIP(address)
  if (family === 0) return undefined
  if (family === 4) return address
  const spelled = new SocketAddress({ address, family: 'ipv6' }).address
  return spelled.startsWith('::ffff:') && spelled.includes('.') ? spelled.slice('::ffff:'.length) : spelled
}

import { isIP, SocketAddress } from 'node:net'
import type { Request } from 'express'

/** An IP address in its one spelling, without zone, an IPv4-mapped one as IPv4; undefined where the text is none. */
export function toPlainAddress(address: string): string | undefined {
  const family = isIP(address)
  if (family === 0) return undefined
  if (family === 4) return address
  const spelled = new SocketAddress({ address, family: 'ipv6' }).address
  return spelled.startsWith('::ffff:') && spelled.includes('.') ? spelled.slice('::ffff:'.length) : spelled
}

/** The client's address, as far as TRUST_PROXY vouches for it; undefined where a proxy wrote something else there. */
export const readAddress = ({ ip = '' }: Pick<Request, 'ip'>): string | undefined => toPlainAddress(ip)

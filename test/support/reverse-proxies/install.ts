import { ensureInstalled } from '../processes/install.ts'

/** The reverse proxies that the examples are for, from Debian if need be. */
export default function setUp(): void {
  ensureInstalled('nginx', '-v')
  ensureInstalled('haproxy', '-v')
  ensureInstalled('caddy', 'version')
}

import { ensureInstalled } from '../processes/install.ts'

/** The forward proxy of the tests, from Debian if need be. */
export default function setUp(): void {
  ensureInstalled('tinyproxy', '-v')
}

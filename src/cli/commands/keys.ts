import { randomToken } from '../../crypto/hash.ts'

/** Prints a new line for BFF_SECRETS. */
export function run(): void {
  process.stdout.write(`BFF_SECRETS=${randomToken()}\n`)
}

import { createHash } from 'node:crypto'
import { isIntrospectionClientId } from '../../config/values/caller-secrets.ts'
import { randomToken } from '../../crypto/hash.ts'
import { WrongUse } from '../wrong-use.ts'

/** Prints a new secret for a resource server, and its entry for INTROSPECTION_CLIENTS. */
export function run(id: string): void {
  if (!isIntrospectionClientId(id))
    throw new WrongUse('The id may have letters, digits and . _ ~ - only, at most 100.')
  const secret = randomToken()
  const hash = createHash('sha256').update(secret).digest('hex')
  process.stdout.write(
    `For ${id}, shown this once:\n  ${secret}\nFor Portico:\n  INTROSPECTION_CLIENTS=${id}:${hash}\n`,
  )
}

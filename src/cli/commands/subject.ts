import { ConfigError } from '../../config/config-error.ts'
import { loadEnvironment } from '../../config/environment.ts'
import { readSettings } from '../../config/read-settings.ts'
import { createSubjectHashes } from '../../crypto/subject-hash.ts'

/** Prints how the log names a user: first as it does now, then as it did by older secrets. */
export function run(sub: string): void {
  const { values, problems } = readSettings(loadEnvironment())
  const { BFF_SECRETS: secrets } = values
  if (secrets === undefined)
    throw new ConfigError(problems.filter(({ variable }) => variable === 'BFF_SECRETS'))
  const hashes = createSubjectHashes(secrets)(sub)
  process.stdout.write(hashes.map((hash) => `${hash}\n`).join(''))
}

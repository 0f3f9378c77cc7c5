import { toLogText } from '../../telemetry/events.ts'

/**
 * Matches anything signed: an assertion, a proof, a token. It does not ask for the dots of a whole JWT,
 * because looking for them takes quadratic time.
 */
const jwtLike = /\beyJ[\w.-]+/g

/**
 * The provider's error message, made safe to log: the provider may repeat what it was sent, so `secrets` and
 * everything that looks like a JWT are redacted.
 */
export function redactProviderMessage(
  error: unknown,
  description: unknown,
  secrets: readonly string[],
): string {
  const message = [error, description].filter((text) => typeof text === 'string' && text !== '').join(': ')
  const redacted = secrets
    .filter((secret) => secret !== '')
    .reduce((text, secret) => text.replaceAll(secret, '[redacted]'), message)
  return toLogText(redacted.replaceAll(jwtLike, '[redacted]'))
}

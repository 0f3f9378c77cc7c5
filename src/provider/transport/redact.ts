import { toLogText } from '../../telemetry/logger.ts'

/** Anything signed: an assertion, a proof, a token; whole or not, because to look for its dots takes quadratic time. */
const jwtLike = /\beyJ[\w.-]+/g

/**
 * What a provider says of a refusal, made safe to log: it may repeat what it was sent, and `secrets` are what that was.
 */
export function redactProviderMessage(
  error: unknown,
  description: unknown,
  secrets: readonly string[],
): string {
  const said = [error, description].filter((text) => typeof text === 'string' && text !== '').join(': ')
  const redacted = secrets
    .filter((secret) => secret !== '')
    .reduce((text, secret) => text.replaceAll(secret, '[redacted]'), said)
  return toLogText(redacted.replaceAll(jwtLike, '[redacted]'))
}

/** Claims that describe a person (OpenID Connect Core 5.1), not what they may do or have proven. */
const describing: ReadonlySet<string> = new Set(
  [
    'name given_name family_name middle_name nickname preferred_username profile picture website',
    'gender birthdate zoneinfo locale updated_at email phone_number address',
  ].flatMap((line) => line.split(' ')),
)

interface ClaimSource {
  /** What the provider's own entry names, if it does. */
  named: readonly string[] | undefined
  /** APP_TOKEN_CLAIMS. */
  appTokenClaims: readonly string[]
  /** Whether it is the one of the environment. */
  isOnly: boolean
  verifiesIdToken: boolean
}

/**
 * The user claims that a provider may put into sessions and app tokens. In PROVIDERS_FILE, a plain OAuth 2.0
 * provider may only describe people unless its entry names more: an API would take its groups for another's.
 */
export function toClaimNames({
  named,
  appTokenClaims,
  isOnly,
  verifiesIdToken,
}: ClaimSource): readonly string[] {
  if (named !== undefined) return named
  return isOnly || verifiesIdToken ? appTokenClaims : appTokenClaims.filter((name) => describing.has(name))
}

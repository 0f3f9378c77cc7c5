interface ClaimSource {
  /** The claims that the provider's own entry lists, if it does. */
  configured: readonly string[] | undefined
  /** APP_TOKEN_CLAIMS. */
  appTokenClaims: readonly string[]
  /** Whether it is the provider of the environment. */
  isOnlyProvider: boolean
  verifiesIdToken: boolean
}

/**
 * The user claims that a provider may put into sessions and app tokens. In PROVIDERS_FILE, a plain OAuth 2.0
 * provider may only describe users unless its entry lists more: otherwise an API would take its groups for
 * those of another provider.
 */
export function toClaimNames({
  configured,
  appTokenClaims,
  isOnlyProvider,
  verifiesIdToken,
}: ClaimSource): readonly string[] {
  if (configured !== undefined) return configured
  if (isOnlyProvider || verifiesIdToken) return appTokenClaims
  return appTokenClaims.filter((name) => describingClaims.has(name))
}

/** Claims that describe a user (OpenID Connect Core 5.1), not what the user may do or has proven. */
const describingClaims: ReadonlySet<string> = new Set(
  [
    'name given_name family_name middle_name nickname preferred_username profile picture website',
    'gender birthdate zoneinfo locale updated_at email phone_number address',
  ].flatMap((line) => line.split(' ')),
)

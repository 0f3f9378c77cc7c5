/** Whether an issuer is one of Okta's custom authorization servers: `https://{domain}/oauth2/{id}`. */
export const isOktaCustomServer = (issuer: string): boolean =>
  /^\/oauth2\/[^/]+$/.test(URL.parse(issuer)?.pathname ?? '')

/** The issuer of the Okta org that a custom server belongs to; any other issuer as it is. */
export const toOktaOrg = (issuer: string): string =>
  isOktaCustomServer(issuer) ? new URL(issuer).origin : issuer

/**
 * Whether an issuer is on one of Okta's own domains. An org with a domain of its own cannot be recognised.
 */
export const isOktaHost = (issuer: string): boolean =>
  /\.okta(preview|-emea|-gov)?\.com$/.test(URL.parse(issuer)?.hostname ?? '')

import type { ServerMetadata } from '../server-metadata.ts'

/**
 * Whether it is Keycloak. Its issuers are `https://{host}/realms/{name}`; old ones have `/auth` before that.
 */
export const isKeycloak = (issuer: string, { token_endpoint: token = '' }: ServerMetadata): boolean =>
  /\/realms\/[^/]+$/.test(URL.parse(issuer)?.pathname ?? '') ||
  /\/protocol\/openid-connect\/token$/.test(URL.parse(token)?.pathname ?? '')

/** Whether it is Zitadel, by the paths of its endpoints, which are the same on every host. */
export const isZitadel = ({ token_endpoint: token = '', userinfo_endpoint: userinfo = '' }: ServerMetadata) =>
  token.endsWith('/oauth/v2/token') && userinfo.endsWith('/oidc/v1/userinfo')

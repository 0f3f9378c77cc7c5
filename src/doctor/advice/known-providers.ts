import type { ServerMetadata } from '../provider/metadata-lists.ts'

/** Keycloak's issuers are `https://{host}/realms/{name}`, with `/auth` before that where it is old. */
export const isKeycloak = (issuer: string, { token_endpoint: token = '' }: ServerMetadata): boolean =>
  /\/realms\/[^/]+$/.test(URL.parse(issuer)?.pathname ?? '') ||
  /\/protocol\/openid-connect\/token$/.test(URL.parse(token)?.pathname ?? '')

/** Zitadel's endpoints lie below its own paths, whatever the host. */
export const isZitadel = ({ token_endpoint: token = '', userinfo_endpoint: userinfo = '' }: ServerMetadata) =>
  token.endsWith('/oauth/v2/token') && userinfo.endsWith('/oidc/v1/userinfo')

import type express from 'express'
import type { ProviderScript, TokenOccasion } from './scripted-provider.ts'

/** Habits that profiles of several providers have in common. */

/** The scopes that an authorization request asks for. */
export const readScopes = (request: URLSearchParams): string[] => (request.get('scope') ?? '').split(' ')

/** Refresh tokens come with `offline_access` alone; for `givesRefreshToken`. */
export const asksForOfflineAccess = (request: URLSearchParams): boolean =>
  readScopes(request).includes('offline_access')

/** What the metadata says of back-channel logout. */
export const backChannelMetadata = {
  backchannel_logout_supported: true,
  backchannel_logout_session_supported: true,
}

/** A refresh does not repeat the refresh token, which stays; for `tokenResponse`, with `keepsRefreshToken`. */
export function withoutKeptToken(
  { refresh_token: token, ...body }: Record<string, unknown>,
  { isRefresh }: TokenOccasion,
): Record<string, unknown> {
  return isRefresh || token === undefined ? body : { ...body, refresh_token: token }
}

/** A logout that sends the browser back only with the ID token; anything else is answered by `refuse`. */
export function requiresIdTokenHint(
  refuse: (res: express.Response) => void,
): NonNullable<ProviderScript['endSessionEndpoint']> {
  return (req, res) => {
    const { id_token_hint: hint, post_logout_redirect_uri: uri, state } = req.query
    if (hint === undefined) return refuse(res)
    return res.redirect(`${uri}?state=${state}`)
  }
}

/** The parameters of a logout that names the user by the ID token. */
export const logoutByIdToken = ['client_id', 'id_token_hint', 'post_logout_redirect_uri', 'state']

/** The user who signs in, at a provider that verifies addresses. */
export const grace = {
  sub: '00u-grace',
  name: 'Grace Hopper',
  email: 'grace@example.com',
  email_verified: true,
}

import { randomUUID } from 'node:crypto'
import { type ProviderScript, usesSecretPost } from '../scripted-provider.ts'
import type { ProviderProfile } from './profile.ts'

const paths = {
  authorization: '/login/oauth/authorize',
  token: '/login/oauth/access_token',
  userinfo: '/user',
}

/** What OAuth apps and GitHub Apps have in common. */
const habits: ProviderScript = {
  authenticates: usesSecretPost,
  accessToken: () => `gho_${randomUUID()}`,
  // Errors have status 200 and names of their own.
  invalidGrant: (res, { grant_type: grantType }) =>
    void res.json(
      grantType === 'refresh_token'
        ? {
            error: 'bad_refresh_token',
            error_description: 'The refresh token passed is incorrect or expired.',
          }
        : { error: 'bad_verification_code', error_description: 'The code passed is incorrect or expired.' },
    ),
  // A form, unless JSON is asked for.
  sendTokens: (res, body) =>
    res.req.get('accept')?.includes('json')
      ? void res.json(body)
      : void res.type('form').send(String(new URLSearchParams(body as Record<string, string>))),
  userinfoEndpoint(req, res) {
    if (req.get('user-agent') === undefined) return void res.status(403).send('Request forbidden')
    return void res.json({
      login: 'octocat',
      id: 583_231,
      node_id: 'MDQ6VXNlcjU4MzIzMQ==',
      name: 'Grace Hopper',
      email: null,
      type: 'User',
    })
  },
}

const user = { sub: '583231', name: 'Grace Hopper', login: 'octocat', email: undefined }

export const githubApp: ProviderProfile = {
  name: 'GitHub App',
  page: 'github',
  paths,
  habits: () => ({
    ...habits,
    accessTokenLifetime: 28_800,
    // No ID token, and no scope.
    tokenResponse: ({ access_token, expires_in, refresh_token }) => ({
      access_token,
      expires_in,
      refresh_token,
      refresh_token_expires_in: 15_811_200,
      token_type: 'bearer',
      scope: '',
    }),
  }),
  expected: {
    user,
    refresh: 'rotated',
    userinfo: true,
    revocation: false,
    logout: 'none',
    endedBy: [],
  },
}

export const githubOAuthApp: ProviderProfile = {
  name: 'GitHub, OAuth app',
  page: 'github',
  paths,
  habits: () => ({
    ...habits,
    givesRefreshToken: () => false,
    // They do not expire, and the response says nothing of it: far longer than what Portico assumes.
    accessTokenLifetime: 7 * 24 * 60 * 60,
    tokenResponse: ({ access_token }) => ({ access_token, token_type: 'bearer', scope: 'read:user' }),
  }),
  expected: { user, refresh: 'none', userinfo: true, revocation: false, logout: 'none', endedBy: [] },
}

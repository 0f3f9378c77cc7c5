import { z } from 'zod'
import { logoutTokenParameters } from '../../machine-endpoints/back-channel-logout.ts'
import { introspectionParameters } from '../../machine-endpoints/introspect.ts'
import { revocationRequest } from '../../machine-endpoints/universal-logout.ts'
import { clientCredentials } from '../../request/client-authentication.ts'
import {
  introspected,
  jwks,
  live,
  logoutTokenError,
  openApiDocument,
  openidConfiguration,
  readiness,
  serverMetadata,
} from '../answers.ts'
import { json, type Operation, page } from '../operation.ts'
import { ofBody, ofEveryRequest, ofLimit, ofStore } from '../refusals.ts'

const forProviders: readonly Operation[] = [
  {
    path: '{api}/backchannel-logout',
    method: 'post',
    id: 'logOutByBackChannel',
    tag: 'providers',
    summary: 'A user signed out at the provider (OpenID Connect Back-Channel Logout 1.0).',
    body: { form: logoutTokenParameters, required: true },
    answers: [
      { status: 200, description: 'The sessions have ended.' },
      json('The logout token is not accepted, or cannot be acted upon now.', logoutTokenError, {
        status: 400,
      }),
    ],
    refusals: ofEveryRequest,
  },
  {
    path: '{api}/frontchannel-logout',
    method: 'get',
    id: 'logOutByFrontChannel',
    tag: 'providers',
    summary: 'The same, by a frame in the browser (OpenID Connect Front-Channel Logout 1.0).',
    query: z.object({
      iss: z.string().optional().describe('The issuer of the provider, if it sends it.'),
      sid: z.string().optional().describe('The session at the provider.'),
    }),
    answers: [page('An empty page, whether the parameters name a session or not.')],
    refusals: [...ofEveryRequest, ...ofLimit, 'provider_unavailable'],
  },
  {
    path: '{api}/universal-logout',
    method: 'post',
    id: 'logOutEverywhere',
    tag: 'providers',
    summary: 'All sessions of a user end (Global Token Revocation; Okta Universal Logout).',
    security: ['providerToken'],
    body: { json: revocationRequest, required: true },
    answers: [{ status: 204, description: 'The sessions have ended, if there were any.' }],
    refusals: [
      ...ofEveryRequest,
      ...ofBody,
      ...ofStore,
      'invalid_token',
      'insufficient_authorization',
      'not_found',
      'unprocessable',
      'provider_unavailable',
    ],
  },
  {
    path: '/.well-known/client-jwks.json',
    method: 'get',
    id: 'getClientJwks',
    tag: 'providers',
    summary: 'The public keys with which this server authenticates at providers (private_key_jwt).',
    answers: [json('Public keys; none without OIDC_CLIENT_KEY.', jwks)],
    refusals: ofEveryRequest,
  },
]

const forApis: readonly Operation[] = [
  {
    path: '{api}/introspect',
    method: 'post',
    id: 'introspectAppToken',
    tag: 'APIs',
    summary: 'Says whether an app token is valid right now (RFC 7662).',
    description: 'The client authenticates by HTTP Basic, or by `client_id` and `client_secret` in the form.',
    security: ['clientSecretBasic', 'none'],
    body: { form: clientCredentials.extend(introspectionParameters.shape), required: true },
    answers: [json('Its claims while it is valid.', introspected)],
    refusals: [...ofEveryRequest, ...ofBody, ...ofStore, 'invalid_client'],
  },
  {
    path: '/.well-known/jwks.json',
    method: 'get',
    id: 'getJwks',
    tag: 'APIs',
    summary: 'The public keys of the app token.',
    answers: [json('Public keys.', jwks)],
    refusals: [...ofEveryRequest, ...ofStore],
  },
  {
    path: '/.well-known/oauth-authorization-server',
    method: 'get',
    id: 'getServerMetadata',
    tag: 'APIs',
    summary: 'Issuer and key address, for JWT middleware (RFC 8414).',
    answers: [json('The metadata.', serverMetadata)],
    refusals: ofEveryRequest,
  },
  {
    path: '/.well-known/openid-configuration',
    method: 'get',
    id: 'getOpenidConfiguration',
    tag: 'APIs',
    summary: 'The same for JWT middleware that looks only there, with the algorithms of app tokens.',
    answers: [json('The metadata.', openidConfiguration)],
    refusals: [...ofEveryRequest, ...ofStore],
  },
  {
    path: '{api}/openapi.json',
    method: 'get',
    id: 'getOpenApi',
    tag: 'APIs',
    summary: 'This document.',
    answers: [json('The document, with PUBLIC_URL as its server.', openApiDocument)],
    refusals: ofEveryRequest,
  },
]

const forBalancers: readonly Operation[] = [
  {
    path: '/livez',
    method: 'get',
    id: 'getLiveness',
    tag: 'balancers',
    summary: 'The process answers.',
    answers: [json('It does.', live)],
    refusals: ofEveryRequest,
  },
  {
    path: '/readyz',
    method: 'get',
    id: 'getReadiness',
    tag: 'balancers',
    summary: 'Whether a load balancer should send requests here.',
    answers: [json('Ready.', readiness), json('Not ready.', readiness, { status: 503 })],
    refusals: ofEveryRequest,
  },
]

/** What machines call. */
export const machineOperations: readonly Operation[] = [...forProviders, ...forApis, ...forBalancers]

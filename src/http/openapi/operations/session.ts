import { z } from 'zod'
import type { ErrorCode } from '../../../errors.ts'
import { logoutParameters } from '../../browser-endpoints/logout.ts'
import { tokenParameters } from '../../browser-endpoints/token.ts'
import { endedSessions, loggedOut, newAppToken, sessionList, sessionState, userinfo } from '../answers.ts'
import { json, type Operation, redirect } from '../operation.ts'
import {
  ofBody,
  ofCsrf,
  ofDpop,
  ofEveryRequest,
  ofLimit,
  ofRefresh,
  ofSession,
  ofStore,
} from '../refusals.ts'

/** Of every call on the session. */
const slide = z.object({
  slide: z.string().optional().describe('With `false`, the call does not extend the idle timeout.'),
})

/** What all calls share that need a session. */
const signedInOnly = { tag: 'browser', headers: ['csrf'], security: ['session'], query: slide } as const
const ofSignedIn: readonly ErrorCode[] = [...ofEveryRequest, ...ofCsrf, ...ofLimit, ...ofSession]

const useSession: readonly Operation[] = [
  {
    ...signedInOnly,
    path: '{api}/session',
    method: 'get',
    id: 'getSession',
    summary: 'Says who is signed in.',
    security: ['session', 'none'],
    answers: [json('The session, or that there is none.', sessionState)],
    refusals: [...ofEveryRequest, ...ofCsrf, ...ofLimit],
  },
  {
    ...signedInOnly,
    path: '{api}/token',
    method: 'post',
    id: 'createAppToken',
    summary: 'Issues a new app token, narrowed if requested.',
    headers: ['csrf', 'dpop'],
    body: { json: tokenParameters, required: false },
    answers: [json('The app token, and the session that it is issued for.', newAppToken)],
    refusals: [...ofSignedIn, ...ofBody, ...ofRefresh, ...ofDpop, 'invalid_scope', 'invalid_target'],
  },
  {
    ...signedInOnly,
    path: '{api}/userinfo',
    method: 'get',
    id: 'getUserinfo',
    summary: 'Asks the provider what it says about the user right now.',
    answers: [json('The current claims.', userinfo)],
    refusals: [...ofSignedIn, ...ofRefresh, 'login_required', 'not_found', 'provider_error'],
  },
  {
    ...signedInOnly,
    path: '{api}/sessions',
    method: 'get',
    id: 'listSessions',
    summary: 'Lists where the user is signed in, the oldest first.',
    answers: [json('All active sessions of the user.', sessionList)],
    refusals: ofSignedIn,
  },
  {
    ...signedInOnly,
    path: '{api}/sessions',
    method: 'delete',
    id: 'endOtherSessions',
    summary: 'Ends all sessions of the user except this one.',
    answers: [json('How many ended.', endedSessions)],
    refusals: ofSignedIn,
  },
  {
    ...signedInOnly,
    path: '{api}/sessions/{id}',
    method: 'delete',
    id: 'endSession',
    summary: 'Ends one session of the user.',
    pathParameters: z.object({ id: z.string().describe('As the list of sessions has it.') }),
    answers: [{ status: 204, description: 'It has ended.', optionalHeaders: ['Set-Cookie'] }],
    refusals: [...ofSignedIn, 'not_found'],
  },
]

const endSession: readonly Operation[] = [
  {
    path: '{api}/logout',
    method: 'post',
    id: 'logOut',
    tag: 'browser',
    summary: 'Ends the session permanently, and says where to sign out at the provider.',
    headers: ['csrfUnlessForm'],
    security: ['session', 'none'],
    body: { json: logoutParameters, form: logoutParameters, required: false },
    answers: [
      json('A fetch: the user is signed out here.', loggedOut, { optionalHeaders: ['Set-Cookie'] }),
      redirect(303, 'A navigation: the browser goes on to the provider, or to `return_to`.', {
        optionalHeaders: ['Set-Cookie'],
      }),
    ],
    refusals: [...ofEveryRequest, ...ofCsrf, ...ofBody, ...ofStore, 'session_expired'],
  },
  {
    path: '{api}/logout/provider',
    method: 'get',
    id: 'logOutAtProvider',
    tag: 'browser',
    summary: 'Redirects the browser that has logged out to the provider; for navigations only.',
    security: ['logoutTicket', 'none'],
    query: z.object({ ticket: z.string().optional().describe('Of the `logout_url`; valid once.') }),
    answers: [
      redirect(303, 'The browser goes to the provider, or on to the app.', {
        optionalHeaders: ['Set-Cookie'],
      }),
    ],
    refusals: ofEveryRequest,
  },
  {
    path: '{api}/logout/callback',
    method: 'get',
    id: 'completeLogout',
    tag: 'browser',
    summary: 'Takes the browser back from the provider, and changes nothing.',
    query: z.object({ state: z.string().optional().describe('As this server made it.') }),
    answers: [redirect(303, 'The browser goes on to the app.')],
    refusals: ofEveryRequest,
  },
]

/** What a user who is signed in does. */
export const sessionOperations: readonly Operation[] = [...useSession, ...endSession]

import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { RequestHandler } from 'express'
import express from 'express'
import type { Configuration } from 'oidc-provider'
import { createMemoryAdapterFactory } from '../../../demo/provider/adapter.ts'
import { createDemoProvider } from '../../../demo/provider/provider.ts'

/**
 * Runs the demo's provider, a real oidc-provider that rotates refresh tokens and detects their reuse, in a
 * process of its own. A middleware injects the faults that the parent orders. Prints its issuer once it
 * listens.
 */

/** What happens to a call. */
export type ProviderFault =
  | 'none'
  /** Holds the call back until it is released; it is dropped if the caller has gone by then. */
  | 'hold-call'
  /** Lets the provider act, and holds its answer back until it is released. */
  | 'hold-answer'
  /** Lets the provider act, and drops its answer. */
  | 'lose-answer'
  | 'hang'
  | 'reset'
  | 'html'
  | { status: number; headers?: Record<string, string> }

/** What the parent can order; each order is answered with the state. */
export interface ProviderOrder {
  /** Of revocations. */
  revocationFault?: ProviderFault
  /** Of refreshes. */
  fault?: ProviderFault
  /** Of code exchanges. */
  codeFault?: ProviderFault
  /** Of every other call. */
  hangs?: boolean
  release?: true
  /** Revokes every grant at the provider. */
  revokeAll?: true
}

export interface ProviderState {
  /** Refresh calls that reached the provider. */
  refreshes: number
  /** Calls that a fault has affected since the last release. */
  held: number
  /** Token families that were revoked because a refresh token was used again. */
  revoked: number
  /** Code exchanges that reached the provider. */
  codes: number
  /** Revocations that reached the provider. */
  tokenRevocation: number
  /**
   * Refresh tokens that were neither used nor revoked by themselves; those of a revoked family still count.
   */
  livingRefreshTokens: number
}

const state: ProviderState = {
  refreshes: 0,
  held: 0,
  revoked: 0,
  codes: 0,
  tokenRevocation: 0,
  livingRefreshTokens: 0,
}
let fault: ProviderFault = 'none'
let codeFault: ProviderFault = 'none'
let revocationFault: ProviderFault = 'none'
let hangs = false
let releases: (() => void)[] = []
const released = () => new Promise<void>((done) => releases.push(done))

async function act(fault: ProviderFault, res: ServerResponse, proceed: () => void): Promise<void> {
  if (fault === 'none') return proceed()
  state.held += 1
  if (fault === 'hold-call') {
    await released()
    if (!res.socket?.destroyed) proceed()
  } else if (fault === 'hold-answer') {
    const end = res.end.bind(res)
    const answer = released()
    res.end = ((...args: unknown[]) => {
      void answer.then(() => end(...(args as [string])))
      return res
    }) as typeof res.end
    proceed()
  } else if (fault === 'lose-answer') {
    res.end = (() => res.destroy()) as unknown as typeof res.end
    proceed()
  } else if (fault === 'reset') res.socket?.resetAndDestroy()
  else if (fault === 'html') res.setHeader('content-type', 'text/html').end('<h1>Busy</h1>')
  else if (typeof fault === 'object') res.writeHead(fault.status, fault.headers).end()
}

const faults: RequestHandler = (req, res, next) => {
  if (hangs) return
  if (req.path.endsWith('/v1/revoke')) {
    void act(revocationFault, res, () => {
      state.tokenRevocation += 1
      next()
    })
    return
  }
  if (req.method !== 'POST' || !req.path.endsWith('/v1/token')) return next()
  const isRefresh = req.body.grant_type === 'refresh_token'
  void act(isRefresh ? fault : codeFault, res, () => {
    state[isRefresh ? 'refreshes' : 'codes'] += 1
    next()
  })
}

/**
 * Makes each refresh token live until it is used or revoked itself, as at providers without token families.
 */
function createLonelyTokens(grace: number): Configuration {
  const createAdapter = createMemoryAdapterFactory({ grace })
  return {
    revokeGrantPolicy: () => false,
    adapter: (model) => ({ ...createAdapter(model), revokeByGrantId: async () => {} }),
  }
}

const server = createServer()
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', async () => {
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const {
    CLIENT_ID = '',
    CLIENT_SECRET = '',
    REDIRECT_URI = '',
    LIFETIME = '60',
    GRACE = '30',
    ROTATES = 'true',
    FAMILIES = 'true',
    BACKCHANNEL_URI = '',
    BACKCHANNEL_SID = 'true',
  } = process.env
  const { issuer, app, provider } = await createDemoProvider({
    origin,
    accessTokenLifetime: Number(LIFETIME),
    grace: Number(GRACE),
    rotates: ROTATES === 'true',
    clients: [
      {
        client_id: CLIENT_ID,
        client_secret: CLIENT_SECRET,
        redirect_uris: [REDIRECT_URI],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        require_auth_time: true,
        post_logout_redirect_uris: [new URL('/api/logout/callback', REDIRECT_URI).href],
        ...(BACKCHANNEL_URI === ''
          ? {}
          : {
              backchannel_logout_uri: BACKCHANNEL_URI,
              backchannel_logout_session_required: BACKCHANNEL_SID === 'true',
            }),
      },
    ],
    ...(FAMILIES === 'true' ? {} : { more: createLonelyTokens(Number(GRACE)) }),
  })
  const living = new Set<string>()
  provider.on('refresh_token.saved', ({ jti }) => void living.add(jti))
  provider.on('refresh_token.consumed', ({ jti }) => void living.delete(jti))
  provider.on('refresh_token.destroyed', ({ jti }) => void living.delete(jti))
  const grants = new Set<string>()
  provider.on('access_token.issued', (token) => void grants.add(token.grantId ?? ''))
  provider.on('grant.revoked', () => {
    state.revoked += 1
  })
  process.on('message', async (order: ProviderOrder & { advance?: number }) => {
    if (order.advance !== undefined) return
    if (order.fault !== undefined) fault = order.fault
    if (order.revocationFault !== undefined) revocationFault = order.revocationFault
    if (order.codeFault !== undefined) codeFault = order.codeFault
    if (order.hangs !== undefined) hangs = order.hangs
    if (order.release) {
      for (const release of releases.splice(0)) release()
      releases = []
      state.held = 0
    }
    if (order.revokeAll) {
      for (const id of grants) {
        await provider.RefreshToken.adapter.revokeByGrantId(id)
        await provider.Grant.adapter.destroy(id)
      }
    }
    process.send?.({ state: { ...state, livingRefreshTokens: living.size } })
  })
  const outer = express().disable('x-powered-by')
  // oidc-provider accepts a body that was parsed before.
  outer.use(express.urlencoded({ extended: false }), faults, app)
  server.on('request', outer)
  process.stdout.write(`${issuer}\n`)
})

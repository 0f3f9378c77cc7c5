import type { JWTPayload } from 'jose'
import { AppError } from '../../errors.ts'
import type { DpopKeys } from '../client/dpop-keys.ts'
import type { Discovery } from '../metadata/discovery.ts'
import type { CircuitBreaker } from '../transport/circuit-breaker.ts'
import type { AuthenticatedUser } from '../types.ts'
import { toExpectedSubject, type Userinfo } from './userinfo.ts'

interface LiveUserinfoOptions {
  discovery: Discovery
  dpopKeys: DpopKeys
  userinfo: Userinfo
  breaker: CircuitBreaker
}

/**
 * Creates the function that fetches a signed-in user's current userinfo; undefined where the provider no
 * longer accepts the access token.
 *
 * @throws AppError `invalid_userinfo`, `provider_error`, `provider_unavailable`, `not_found` without any
 */
export function createLiveUserinfo({ discovery, dpopKeys, userinfo, breaker }: LiveUserinfoOptions) {
  return async ({ identity, tokens }: AuthenticatedUser): Promise<JWTPayload | undefined> => {
    const server = await discovery.server()
    if (!userinfo.isAvailable(server)) throw new AppError('not_found', 'This provider has no userinfo.')
    const { accessToken, dpopThumbprint } = tokens
    const dpop = dpopThumbprint === undefined ? undefined : await dpopKeys.find(dpopThumbprint)
    return breaker.guard(() => userinfo.fetch(server, { accessToken, dpop }, toExpectedSubject(identity)))
  }
}

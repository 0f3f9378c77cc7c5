import { allowCodeFlow, registerRedirectUri } from '../../advice/remedies.ts'
import { browserCauses } from './browser-causes.ts'
import type { Explanation, Failure, KnownCause } from './cause.ts'
import { providerCauses } from './provider-causes.ts'
import { tokenCauses } from './token-causes.ts'

/** Every cause that is known; of those that fit, the first one counts. */
export const knownCauses: readonly KnownCause[] = [...browserCauses, ...providerCauses, ...tokenCauses]

/** The cause of a failure and what to do about it; the first known cause that fits counts. */
export function findCause({ code, reason }: Failure): Explanation {
  const known = knownCauses.find(
    ({ code: ofCode, says }) => ofCode === code && (says === undefined || says.test(reason)),
  )
  if (known === undefined) {
    const cause = `${code}${reason === '' ? '' : `: ${reason}`}`
    return { cause, remedy: 'docs/http-api.md lists what each error code means (Errors)' }
  }
  const { cause, remedy } = known
  return { cause, remedy: typeof remedy === 'string' ? remedy : remedy(reason) }
}

/**
 * Why a user may not have come back from the provider. The log has nothing about what happens there: these
 * are the usual causes.
 */
export const neverBack: Explanation = {
  cause:
    'the user has not come back from the provider: the user gave up or is still there, or the provider shows an error page of its own, because the redirect URI is not registered, the client id is unknown, or the client may not use this flow',
  remedy: `run the doctor (portico-bff doctor), which tries the redirect URI; ${registerRedirectUri}; ${allowCodeFlow}; ask the user what the provider shows`,
}

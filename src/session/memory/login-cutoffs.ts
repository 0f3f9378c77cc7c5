import type { Clock } from '../../clock.ts'
import { createExpiringMap } from '../../expiring-map.ts'
import type { NewSession } from '../session.ts'
import { toGroups } from '../session-groups.ts'
import type { SessionStore } from '../store.ts'
import { loginCutoffLifetime } from '../timeouts.ts'
import { assertStored } from './assert-stored.ts'
import { toGroupName } from './session-index.ts'

/** The times since which a login must have begun. */
export interface MemoryLoginCutoffs
  extends Pick<SessionStore, 'rejectEarlierLogins' | 'rejectAllEarlierLogins'> {
  /** Whether the login of this session began before the cut-off of one of its groups, or of everyone. */
  isRejected(session: NewSession): boolean
}

/** Creates the cut-offs of one process; `capacity` is the upper bound for those of groups. */
export function createMemoryLoginCutoffs(clock: Clock, capacity: number): MemoryLoginCutoffs {
  const ofGroups = createExpiringMap<number>(clock, capacity)
  let ofEveryone = -1

  return {
    async rejectEarlierLogins(group) {
      assertStored(ofGroups.set(toGroupName(group), clock.now(), clock.now() + loginCutoffLifetime))
    },

    async rejectAllEarlierLogins() {
      ofEveryone = clock.now()
      return ofEveryone
    },

    isRejected({ identity }) {
      const { startedAt } = identity.login
      const cutoffs = toGroups(identity).map((group) => ofGroups.get(toGroupName(group)) ?? -1)
      return [ofEveryone, ...cutoffs].some((cutoff) => cutoff > startedAt)
    },
  }
}

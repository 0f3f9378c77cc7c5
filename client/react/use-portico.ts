import type { Portico, PorticoState, PorticoUser } from '@portico-bff/client'
import { useMemo, useSyncExternalStore } from 'react'
import { useClient } from './context.tsx'

const loading = { status: 'loading' } as const
/** A server has no session of its own: what it renders is a page that has not asked yet. */
const stateOnServer = () => loading

/**
 * Returns the current state and the methods of the client, and renders again when the state changes. To write
 * the user's type once, give the hook a name of your own.
 *
 * @example
 * export const useAuth = () => usePortico<{ sub: string; department: string }>()
 *
 * function Greeting() {
 *   const { status, user, login } = useAuth()
 *   if (status === 'signed-out') return <button onClick={() => login()}>Log in</button>
 *   return <p>{user?.department}</p>
 * }
 */
export function usePortico<User extends PorticoUser = PorticoUser>(): Portico<User> & PorticoState<User> {
  const portico = useClient<User>()
  const state: PorticoState<User> = useSyncExternalStore(portico.subscribe, portico.getState, stateOnServer)
  return useMemo(() => ({ ...portico, ...state }), [portico, state])
}

import type { Portico, PorticoUser } from '@portico-bff/client'
import { createContext, type ReactNode, useContext } from 'react'

const PorticoContext = createContext<Portico | undefined>(undefined)

export interface PorticoProviderProps<User extends PorticoUser> {
  /** The client, created once, outside of all components: `createPortico({ ... })`. */
  portico: Portico<User>
  children?: ReactNode
}

/**
 * Gives the client to all components below.
 *
 * @example
 * const portico = createPortico({ apiOrigins: ['https://api.example.com'] })
 * createRoot(root).render(<PorticoProvider portico={portico}><App /></PorticoProvider>)
 */
export function PorticoProvider<User extends PorticoUser>({
  portico,
  children,
}: PorticoProviderProps<User>): ReactNode {
  return <PorticoContext.Provider value={portico as Portico}>{children}</PorticoContext.Provider>
}

/** Returns the client of the provider above. */
export function useClient<User extends PorticoUser>(): Portico<User> {
  const portico = useContext(PorticoContext)
  if (portico === undefined) throw new Error('There is no <PorticoProvider> above this component.')
  return portico as Portico<User>
}

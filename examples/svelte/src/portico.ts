import { createPortico, type PorticoState } from '@portico-bff/client'

/** The API, which accepts the app tokens of this Portico. */
export const apiUrl: string = import.meta.env.VITE_API_URL ?? 'http://localhost:3002'

export const portico = createPortico({ apiOrigins: [new URL(apiUrl).origin] })

/** On the callback page: completes the login, and goes on at the page where it began. */
export async function completeLogin(): Promise<void> {
  if (location.pathname !== '/callback') return
  const { returnTo } = await portico.handleCallback()
  history.replaceState(null, '', returnTo)
}

/** What the page says about the state. */
export function describeState(state: PorticoState): string {
  if (state.status === 'loading') return 'Checking…'
  if (state.status === 'signed-out') return 'Signed out'
  if (state.status === 'unknown') return state.error.message
  return `Signed in as ${state.user.name ?? state.user.sub}`
}

/** The id of a token, from its payload. */
export function readTokenId(token: string): string {
  const [, payload = ''] = token.split('.')
  return JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))).jti
}

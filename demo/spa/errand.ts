/** Why the browser left this page: it is at the provider, and this page is loaded again when it comes back. */
export type Errand = { kind: 'login' } | { kind: 'pay' } | { kind: 'logout'; farewell: string }

const key = 'portico-demo-errand'

/** Does what sends the browser away, and remembers why, unless it fails. */
export async function leaveFor(errand: Errand, act: () => Promise<unknown>): Promise<void> {
  sessionStorage.setItem(key, JSON.stringify(errand))
  try {
    await act()
  } catch (error) {
    takeErrand()
    throw error
  }
}

/** Returns the errand from which the browser is back, once. */
export function takeErrand(): Errand | undefined {
  const noted = sessionStorage.getItem(key)
  sessionStorage.removeItem(key)
  return noted === null ? undefined : (JSON.parse(noted) as Errand)
}

import type { Portico } from '../types.ts'

/** With this name a tab remembers each demand, so that APIs which are never content cause no loop. */
const stepUpName = 'portico step-up'
/** Milliseconds within which the same demand is not followed again. */
const stepUpPause = 30_000

/**
 * Begins the login that an API demands (RFC 9470 3), unless the last one has just not been enough. The user
 * signs in at the provider of the token that was refused: another one does not know them.
 */
export async function stepUp(challenge: string, login: Portico['login'], token = ''): Promise<void> {
  const acrValues = /acr_values="([^"]*)/.exec(challenge)?.[1]
  const maxAge = /max_age="?(\d+)/.exec(challenge)?.[1]
  const { iss, idp: provider } = readClaims(token)
  const name = `${stepUpName} ${iss} ${acrValues} ${maxAge}`
  if (Date.now() - Number(sessionStorage.getItem(name)) < stepUpPause) return
  sessionStorage.setItem(name, `${Date.now()}`)
  await login({
    ...(provider && { provider }),
    ...(acrValues && { acrValues }),
    ...(maxAge && { maxAge: Number(maxAge) }),
  })
}

/** The Portico that an app token is from, and the provider that it names, which Portico has checked. */
function readClaims(token: string): { iss?: string; idp?: string } {
  try {
    const payload = token.split('.')[1]?.replaceAll('-', '+').replaceAll('_', '/') ?? ''
    // Both are ASCII, as Portico accepts nothing else.
    return JSON.parse(atob(payload)) as { iss?: string; idp?: string }
  } catch {
    return {}
  }
}

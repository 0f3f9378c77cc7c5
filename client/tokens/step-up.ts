import type { Portico } from '../types.ts'

/** With this name a tab remembers each demand, so that APIs which are never content cause no loop. */
const stepUpName = 'portico step-up'
/** Milliseconds within which the same demand is not followed again. */
const stepUpPause = 30_000

/** Begins the login that an API demands (RFC 9470 3), unless the last one has just not been enough. */
export async function stepUp(challenge: string, login: Portico['login']): Promise<void> {
  const acrValues = /acr_values="([^"]*)/.exec(challenge)?.[1]
  const maxAge = /max_age="?(\d+)/.exec(challenge)?.[1]
  const name = `${stepUpName} ${acrValues} ${maxAge}`
  if (Date.now() - Number(sessionStorage.getItem(name)) < stepUpPause) return
  sessionStorage.setItem(name, `${Date.now()}`)
  await login({ ...(acrValues && { acrValues }), ...(maxAge && { maxAge: Number(maxAge) }) })
}

import type { Portico } from '../types.ts'

/** Under this name a tab remembers the last step-up, so that an API which is never content causes no loop. */
const stepUpName = 'portico step-up'
/** Milliseconds within which the same demand is not followed again. */
const stepUpPause = 30_000

/** Begins the login that an API demands (RFC 9470 3), unless the last one has just not been enough. */
export async function stepUp(challenge: string, login: Portico['login']): Promise<void> {
  const read = (name: string) => new RegExp(`${name}="?([^",]*)`).exec(challenge)?.[1]
  const [acrValues, maxAge] = [read('acr_values'), read('max_age')]
  const demand = `${acrValues} ${maxAge}`
  const [last, demanded] = (sessionStorage.getItem(stepUpName) ?? '').split('|')
  if (demanded === demand && Date.now() - Number(last) < stepUpPause) return
  sessionStorage.setItem(stepUpName, `${Date.now()}|${demand}`)
  await login({ ...(acrValues && { acrValues }), ...(maxAge && { maxAge: Number(maxAge) }) })
}

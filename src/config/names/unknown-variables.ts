import { type Environment, toVariableNames } from '../read-settings.ts'
import { providerSettings } from '../settings.ts'
import { meantByOtherNames } from './other-names.ts'
import { findSimilarName } from './similar-name.ts'

/** A variable that looks like a setting of Portico but is none. */
export interface UnknownVariable {
  name: string
  /** The setting that it probably stands for. */
  meant: string | undefined
}

/**
 * Variables that look like settings of Portico but are none: misspelt, known by another name, or of one of
 * its families of names.
 */
export function findUnknownVariables(env: Environment): UnknownVariable[] {
  const known = toVariableNames()
  return Object.entries(env).flatMap(([name, value]) => {
    if (known.includes(name) || isServiceLink(name, value) || ofOtherPrograms.has(name)) return []
    const meant = meantByOtherNames.get(name) ?? findPrefixed(name, known)
    // Another program may use such a name, beside a complete configuration of Portico.
    if (meant !== undefined) return isMissing(meant, env) ? [{ name, meant }] : []
    const similar = name.length < shortestGuessed ? undefined : findSimilarName(name, known)
    return similar !== undefined || ofFamily.test(name) ? [{ name, meant: similar }] : []
  })
}

/** The setting that has the name of this program before its own: PORTICO_LOG_LEVEL. */
const findPrefixed = (name: string, known: string[]) => known.find((setting) => name === `PORTICO_${setting}`)

/** Says what is wrong with the variable, and which name to use. */
export const describeUnknown = ({ name, meant }: UnknownVariable): string =>
  `${name} is not a setting of Portico${meant === undefined ? '' : `; did you mean ${meant}?`}`

/** Shorter names, such as PORT, are too similar to those of other programs. */
const shortestGuessed = 8

/** What is set beside HTTP_PROXY, and similar to it, but concerns no call of this server. */
const ofOtherPrograms: ReadonlySet<string> = new Set(['FTP_PROXY'])

const ofFamily = /^(APP_TOKEN|BFF|FORWARD_AUTH|OAUTH|OIDC|RATE_LIMIT|SESSION_COOKIE)(_|$)/

/** Whether a setting is not set, and could be: PROVIDERS_FILE replaces those of a provider. */
const isMissing = (name: string, env: Environment) =>
  !env[name] && !env[`${name}_FILE`] && !(env.PROVIDERS_FILE && name in providerSettings)

/**
 * Whether Kubernetes has set the variable, for a Service that is called `oauth` or alike: OAUTH_SERVICE_HOST,
 * OAUTH_PORT=tcp://10.0.0.1:80, OAUTH_PORT_80_TCP_ADDR.
 */
const isServiceLink = (name: string, value = '') =>
  /_SERVICE_(HOST|PORT)$|_SERVICE_PORT_|_PORT_\d{1,5}_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?$/.test(name) ||
  (name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value))

import type { AccessRule } from '../../config/proxy/proxy-route.ts'
import type { AccessOptions } from '../../embedding/types.ts'

/**
 * Reads who may use a route of the host app. A part that is given and empty, such as an unset variable, must
 * not let everyone pass, nor must a misspelt one.
 *
 * @throws TypeError where a part is no option, or names nothing
 */
export function readAccess(access: AccessOptions = {}): AccessRule {
  const { scope, groups, providers, ...others } = access
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw new TypeError(`requireSession has no option ${unknown}`)
  return {
    scopes: 'scope' in access ? readTexts('scope', typeof scope === 'string' ? scope.split(' ') : scope) : [],
    groups: 'groups' in access ? readTexts('groups', groups) : [],
    providers: 'providers' in access ? readTexts('providers', providers) : [],
  }
}

function readTexts(name: string, given: unknown): readonly string[] {
  const areTexts = Array.isArray(given) && given.every((text) => typeof text === 'string' && text !== '')
  if (areTexts && given.length > 0) return given
  throw new TypeError(`${name} of requireSession must name at least one, none of them empty`)
}

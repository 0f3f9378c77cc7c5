/**
 * Creates the check whether a path belongs to the app. Nothing of the app is at Portico's own addresses,
 * whether there is something at each or not.
 */
export function createIsAppPath(apiPrefix: string): (path: string) => boolean {
  const prefixes = [apiPrefix, '/.well-known']
  return (path) =>
    !prefixes.some((prefix) => path === prefix || path.startsWith(`${prefix}/`)) && !probe.test(path)
}

const probe = /^\/(?:livez|readyz)\/?$/

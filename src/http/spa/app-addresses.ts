/** Portico's own addresses, whether there is something at each or not: nothing of the app is at them. */
const own = /^\/(?:(?:api|\.well-known)(?:\/|$)|(?:livez|readyz)\/?$)/

/** Whether a path belongs to the app. */
export const isAppPath = (path: string): boolean => !own.test(path)

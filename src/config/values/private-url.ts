/** Whether the host of a URL is this machine. */
export function isLoopback(url: URL): boolean {
  return loopbackHosts.has(url.hostname)
}

/** The hosts that are always this machine. */
export const loopbackHosts: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

/** Whether what is sent to a URL stays private: https, or http on a loopback host (RFC 9700 2.6). */
export const isPrivate = (url: URL): boolean => url.protocol === 'https:' || isLoopback(url)

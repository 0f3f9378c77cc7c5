import { type Parser, parser } from './parsers.ts'
import { readUrlCredentials } from './url-credentials.ts'

/** The address of a forward proxy, which may contain a user name and a password. */
export const forwardProxy: Parser<string> = parser((text) => {
  // Other programs accept the address without a protocol, too.
  const url = URL.parse(text.includes('://') ? text : `http://${text}`)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new Error('must be the http or https address of a proxy (no SOCKS): http://proxy.example.com:3128')
  }
  if (url.pathname !== '/' || /[?#]/.test(url.href)) {
    throw new Error(
      'must be an address without a path: write "/", "?" and "#" in a password as %2F, %3F and %23',
    )
  }
  // A password alone would not be sent.
  if (url.username === '' && url.password !== '')
    throw new Error('has a password, but no user name before it')
  readUrlCredentials(url)
  return url.href
})

/** Hosts with commas between them, as undici reads them. */
export const hosts: Parser<string> = parser((text) => {
  const items = text.split(/[\s,]+/).filter((item) => item !== '')
  if (items.some((item) => item.includes('://'))) throw new Error('must name hosts, not URLs')
  if (items.some((item) => item !== '*' && /\*(?!\.)|.\*/.test(item))) {
    throw new Error('may contain * only alone, or as the first label: *.example.com')
  }
  return items.join(',')
})

import { type Parser, parser } from './parsers.ts'
import { readUrlCredentials, type UrlCredentials } from './url-credentials.ts'

/**
 * Where Redis is: one server, some nodes of a cluster, or the sentinels that know the address of the master.
 */
export type RedisTarget =
  | { kind: 'standalone'; url: string; tls: boolean }
  | { kind: 'cluster'; urls: string[]; tls: boolean; credentials: UrlCredentials }
  | {
      kind: 'sentinel'
      master: string
      nodes: { host: string; port: number }[]
      database: number
      tls: boolean
      credentials: UrlCredentials
    }

/** The address of Redis, in one of the three forms of `RedisTarget`. */
export const redisUrl: Parser<RedisTarget> = parser((text) => {
  if (/^rediss?\+sentinel:/.test(text)) return readSentinel(text)
  const texts = splitNodes(text)
  if (texts.length > 1) return readCluster(texts)
  const { href: url, protocol } = readNode(text.trim())
  return { kind: 'standalone', url, tls: protocol === 'rediss:' }
})

const expected =
  'must be redis://host:6379, rediss://..., several of them with commas for a cluster, or redis+sentinel://host:26379,host:26379/master'

/** A comma separates nodes only before the next protocol: any other one belongs to a password. */
function splitNodes(text: string): string[] {
  const nodes: string[] = []
  for (const part of text.split(',')) {
    const isNode = nodes.length === 0 || /^\s*rediss?:\/\//i.test(part)
    nodes.push(isNode ? part : `${nodes.pop()},${part}`)
  }
  return nodes.map((node) => node.trim())
}

function readNode(text: string): URL {
  refuseRawDelimiters(text)
  const url = URL.parse(text)
  if (url === null || !/^rediss?:$/.test(url.protocol) || !/^[^,]+$/.test(url.hostname)) {
    throw new Error(expected)
  }
  readUrlCredentials(url)
  if (!/^(\/\d{0,4})?$/.test(url.pathname) || url.search !== '' || url.hash !== '') throw new Error(expected)
  return url
}

/** Refuses what would end the host before the `@` behind the password. */
function refuseRawDelimiters(text: string): void {
  if (!/^[^:]+:\/\/[^/?#]*[/?#].*@/.test(text)) return
  throw new Error(
    'has a raw "/", "?" or "#" in its user name or password: write them percent-encoded, as %2F, %3F and %23',
  )
}

function readCluster(texts: string[]): RedisTarget {
  const nodes = texts.map(readNode)
  const [first] = nodes
  if (first === undefined) throw new Error(expected)
  if (nodes.some(({ pathname }) => /[1-9]/.test(pathname))) {
    throw new Error('must not name a database: a cluster has only one')
  }
  const isUniform = nodes.every(
    ({ protocol, username, password }) =>
      protocol === first.protocol && username === first.username && password === first.password,
  )
  if (!isUniform) throw new Error('must have one protocol, user name and password for all nodes of a cluster')
  const tls = first.protocol === 'rediss:'
  return { kind: 'cluster', urls: nodes.map(({ href }) => href), tls, credentials: readUrlCredentials(first) }
}

/**
 * Reads `redis+sentinel://user:password@host:port,host:port/master/database`; the credentials are the
 * master's.
 */
function readSentinel(text: string): RedisTarget {
  refuseRawDelimiters(text)
  const match = /^(rediss?)\+sentinel:\/\/(?:([^/?#]*)@)?([^@/]+)\/([\w.-]+)(?:\/(\d{1,4}))?$/.exec(text)
  if (match === null) throw new Error(expected)
  const [, protocol, userinfo = '', hosts = '', master = '', database = '0'] = match
  const nodes = hosts.split(',').map((host) => {
    const url = URL.parse(`redis://${host}`)
    if (url === null || url.hostname === '') throw new Error(expected)
    return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 26_379) }
  })
  const credentials = readUrlCredentials(new URL(`redis://${userinfo}@host`))
  return {
    kind: 'sentinel',
    master,
    nodes,
    database: Number(database),
    tls: protocol === 'rediss',
    credentials,
  }
}

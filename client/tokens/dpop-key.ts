import { calculateThumbprint, generateKeyPair, generateProof, type KeyPair } from 'dpop'

/** The key of this browser to which app tokens are bound (RFC 9449). Scripts can use it, but not read it. */
export interface DpopKey {
  /** Its JWK SHA-256 thumbprint (RFC 7638). */
  thumbprint: string
  /** Makes a proof for one request (RFC 9449 4.2), with the last nonce of the server at its address. */
  prove(url: URL, method: string, token?: string): Promise<string>
  /** Remembers the nonce that a response brings (RFC 9449 8.2). */
  noteNonce(url: URL, response: Response, token?: string): void
}

/** What to do where no key can be loaded. */
export const advice = 'This browser cannot keep a key for this page: that needs IndexedDB, and https.'

/** Loads the key that this browser has for the Portico at an origin; the first time, it is made. */
export async function loadDpopKey(origin: string): Promise<DpopKey> {
  const pair = await loadKeyPair(origin)
  const nonces = new Map<string, string>()
  /** An API may share its origin with Portico, but not its nonces: a request to an API has a token. */
  const toServer = (url: URL, token?: string) => url.origin + (token ? ' api' : '')

  return {
    thumbprint: await calculateThumbprint(pair.publicKey),
    prove: (url, method, token) =>
      generateProof(pair, url.origin + url.pathname, method, nonces.get(toServer(url, token)), token),
    noteNonce(url, response, token) {
      const nonce = response.headers.get('DPoP-Nonce')
      if (nonce) nonces.set(toServer(url, token), nonce)
    },
  }
}

/** All tabs use the same pair: the first one makes it. */
async function loadKeyPair(origin: string): Promise<KeyPair> {
  const database = await openDatabase()
  try {
    const keys = (mode: IDBTransactionMode) => database.transaction('keys', mode).objectStore('keys')
    const find = () => toPromise<KeyPair>(keys('readonly').get(origin))
    const known = await find()
    if (known) return known
    const pair = await generateKeyPair('ES256')
    // Another tab may have added one meanwhile: then this fails, and that one counts.
    await toPromise(keys('readwrite').add(pair, origin)).catch(() => {})
    return await find()
  } finally {
    database.close()
  }
}

function openDatabase(): Promise<IDBDatabase> {
  const request = indexedDB.open('portico', 1)
  request.onupgradeneeded = () => request.result.createObjectStore('keys')
  return toPromise(request)
}

const toPromise = <Result>(request: IDBRequest<Result>) =>
  new Promise<Result>((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })

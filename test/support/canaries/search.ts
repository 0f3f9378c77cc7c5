import { readFileSync } from 'node:fs'
import { listFiles, type SecretKind } from './files.ts'

/** A secret that was put out; it is not shown. */
export interface Leak {
  channel: string
  kind: SecretKind
  count: number
}

export interface SearchResult {
  secrets: number
  /** Bytes of output. */
  searched: number
  leaks: Leak[]
}

/** Where a secret belongs: it is what this answer is for. */
const belongs: readonly (readonly [channel: RegExp, kinds: readonly SecretKind[]])[] = [
  // The SPA gets its token here, and nowhere else.
  [/^answer \/api\/(token|callback)/, ['app token']],
  // The address of the provider's sign-in page has the state.
  [/^(answer|headers) \/api\/login/, ['state']],
  // A page visits the same address once more, with all that the provider sent.
  [/^answer \/api\/callback/, ['state', 'code']],
  // Whoever is not signed in is sent to the login, or on to the provider.
  [/^headers \/api\/forward-auth/, ['state', 'access token', 'app token']],
  // The provider wants its ID token as a hint; only the browser's own redirect has it.
  [/^headers \/api\/logout/, ['ID token', 'state']],
]

/** Characters by which a secret is recognised: the first of a part of it, or the last. */
const width = 16
const base = 0x01000193
const leave = power(base, width)
/** Bits of the filter; a hash that is not in it belongs to no secret. */
const filterBits = 26

function power(of: number, exponent: number): number {
  let result = 1
  for (let index = 0; index < exponent; index += 1) result = Math.imul(result, of)
  return result
}

/** Searches everything that the processes of a run put out for every secret that any of them issued. */
export function searchFolder(folder: string): SearchResult {
  const files = listFiles(folder).map((file) => readFileSync(file))
  return search(files)
}

/** Searches the contents of such files. */
export function search(files: readonly Buffer[]): SearchResult {
  const index = createIndex()
  const outputs: { channel: string; text: Buffer }[] = []
  for (const file of files) {
    for (const line of linesOf(file)) {
      const [mark, name, start] = readLine(line)
      if (mark === 'S') index.add(name as SecretKind, line.toString('latin1', start))
      else if (mark === 'O') outputs.push({ channel: name, text: line.subarray(start) })
    }
  }
  const leaks = new Map<string, Leak>()
  let searched = 0
  for (const { channel, text } of outputs) {
    searched += text.length
    for (const kind of index.findIn(text)) {
      if (belongs.some(([where, kinds]) => where.test(channel) && kinds.includes(kind))) continue
      const key = `${channel} ${kind}`
      const leak = leaks.get(key) ?? { channel, kind, count: 0 }
      leak.count += 1
      leaks.set(key, leak)
    }
  }
  return { secrets: index.size(), searched, leaks: [...leaks.values()] }
}

function* linesOf(file: Buffer): Generator<Buffer> {
  let start = 0
  while (start < file.length) {
    const end = file.indexOf(10, start)
    const stop = end === -1 ? file.length : end
    yield file.subarray(start, stop)
    start = stop + 1
  }
}

function readLine(line: Buffer): [mark: string, name: string, start: number] {
  const end = line.indexOf(9, 2)
  return [line.toString('latin1', 0, 1), line.toString('latin1', 2, end), end + 1]
}

/** What ends, or begins, with the same characters. */
interface Window {
  kinds: Set<SecretKind>
  /** Parts of which many end alike: whole, by their length. */
  wholes: Map<number, Map<string, SecretKind>>
}

interface Index {
  add(kind: SecretKind, secret: string): void
  findIn(text: Buffer): Set<SecretKind>
  size(): number
}

/**
 * The ends of each part of each secret, plain and as base64. A text is read once, whatever the number of
 * secrets: a rolling hash says where one may begin, and only there it is compared.
 */
function createIndex(): Index {
  const filter = new Uint8Array(2 ** (filterBits - 3))
  const windows = new Map<string, Window>()
  const seen = new Set<string>()

  function addWindow(window: string, kind: SecretKind, whole?: string): void {
    const known: Window = windows.get(window) ?? { kinds: new Set(), wholes: new Map() }
    windows.set(window, known)
    if (whole === undefined) known.kinds.add(kind)
    else {
      const ofLength = known.wholes.get(whole.length) ?? new Map<string, SecretKind>()
      known.wholes.set(whole.length, ofLength.set(whole, kind))
    }
    const bit = hashOf(Buffer.from(window, 'latin1')) >>> (32 - filterBits)
    filter[bit >>> 3] = (filter[bit >>> 3] ?? 0) | (1 << (bit & 7))
  }

  function addPart(part: string, kind: SecretKind): void {
    if (part.length < width) return
    addWindow(part.slice(0, width), kind)
    addWindow(part.slice(-width), kind)
    // As base64, from each of the three places at which it can begin in a longer text.
    for (const before of ['', 'x', 'xx']) {
      const encoded = Buffer.from(before + part).toString('base64url')
      if (encoded.length >= width + 6) addWindow(encoded.slice(4, 4 + width), kind)
    }
  }

  return {
    size: () => seen.size,
    add(kind, secret) {
      if (seen.has(secret)) return
      seen.add(secret)
      const parts = secret.split('.')
      if (parts.length === 3 && secret.startsWith('eyJ')) {
        const [, payload = '', signature = ''] = parts
        // Payloads of many tokens begin and end alike.
        if (payload.length >= width) addWindow(payload.slice(-width), kind, payload)
        addPart(signature, kind)
      } else for (const part of parts) addPart(part, kind)
      for (const part of secret.includes('%') ? decode(secret).split('.') : []) addPart(part, kind)
    },
    findIn(text) {
      const found = new Set<SecretKind>()
      let hash = 0
      for (let at = 0; at < text.length; at += 1) {
        hash = (Math.imul(hash, base) + (text[at] ?? 0)) | 0
        if (at >= width) hash = (hash - Math.imul(leave, text[at - width] ?? 0)) | 0
        const bit = hash >>> (32 - filterBits)
        if (((filter[bit >>> 3] ?? 0) & (1 << (bit & 7))) === 0 || at < width - 1) continue
        const end = at + 1
        const window = windows.get(text.toString('latin1', end - width, end))
        for (const kind of window?.kinds ?? []) found.add(kind)
        for (const [length, wholes] of window?.wholes ?? []) {
          const kind = wholes.get(text.toString('latin1', Math.max(0, end - length), end))
          if (kind !== undefined) found.add(kind)
        }
      }
      return found
    },
  }
}

/** The text without percent-encoding; as it is where that is malformed, as hostile requests have it. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function hashOf(bytes: Buffer): number {
  let hash = 0
  for (const byte of bytes) hash = (Math.imul(hash, base) + byte) | 0
  return hash
}

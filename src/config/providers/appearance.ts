import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { type Parser, parser } from '../values/parsers.ts'

/** The name of a provider as users read it, in one line. */
export const label: Parser<string> = parser((text) => {
  if (/^[^\p{Cc}\p{Zl}\p{Zp}]{1,60}$/u.test(text)) return text
  throw new Error('must have 60 characters at most, without line breaks and control characters')
})

/** Bytes that a picture may have: every sign-in page contains those of all providers. */
const maxBytes = 32 * 1024

/** A picture from a file, as a `data:` URL: neither the page nor the picture loads anything. */
export const icon: Parser<string> = parser((path) => {
  const bytes = readPicture(path)
  if (bytes.length > maxBytes) throw new Error('names a file of more than 32 kB')
  return `data:${findMediaType(bytes)};base64,${bytes.toString('base64')}`
})

function readPicture(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch {
    throw new Error('names a file that cannot be read')
  }
}

const pngSignature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')

function findMediaType(bytes: Buffer): string {
  if (bytes.subarray(0, pngSignature.length).equals(pngSignature)) return 'image/png'
  const text = isUtf8(bytes) ? bytes.toString() : ''
  if (!/<svg[\s>]/.test(text)) throw new Error('names a file that is neither SVG nor PNG')
  assertShown(text)
  assertPassive(text)
  return 'image/svg+xml'
}

/** In a page of its own, such as an `img`, browsers show only SVG with its namespace. */
function assertShown(svg: string): void {
  if (/xmlns\s*=\s*["']http:\/\/www\.w3\.org\/2000\/svg["']/.test(svg)) return
  throw new Error('names an SVG without xmlns="http://www.w3.org/2000/svg", which browsers do not show')
}

/** An `img` runs no script of an SVG, but an app may show the picture in another way. */
function assertPassive(svg: string): void {
  if (!/<script|<foreignObject|\son\w+\s*=|javascript:|<!ENTITY/i.test(svg)) return
  throw new Error('names an SVG with a script, an event handler, an entity or HTML: remove it')
}

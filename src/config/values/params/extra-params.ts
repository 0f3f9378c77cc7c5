import { type Parser, parser } from '../parsers.ts'

/** Parameters of a request that the browser carries to the provider, decoded, in order. */
export type ExtraParams = readonly (readonly [name: string, value: string])[]

/** Parameters that may not be configured, with the reason. */
export interface RefusedParams {
  /** Separated by spaces. */
  names: string
  why: string
}

/** Returns what is wrong with a value, or undefined. */
export type ValueCheck = (value: string) => string | undefined

interface ExtraParamsOptions {
  refused: readonly RefusedParams[]
  /** For parameters by their names, in small letters. */
  checks?: ReadonlyMap<string, ValueCheck>
  /** The one that may be named several times, with different values. */
  repeatable?: string
}

/** In characters: the setting becomes part of a URL. */
const longest = 2_000

/** Creates the parser of extra parameters, written as a query: `access_type=offline&prompt=consent`. */
export function createExtraParamsParser({
  refused,
  checks = new Map(),
  repeatable,
}: ExtraParamsOptions): Parser<ExtraParams> {
  // Some providers ignore upper and lower case.
  const whyRefused = new Map(
    refused.flatMap(({ names, why }) => names.split(' ').map((name) => [name.toLowerCase(), why] as const)),
  )

  /** What is wrong with one parameter. */
  function findProblem(given: string, value: string): string | undefined {
    const name = given.toLowerCase()
    const why = whyRefused.get(name)
    if (why !== undefined) return `must not name ${given}, which ${why}`
    const check = checks.get(name)
    return check !== undefined && given !== name ? `must write ${name} in small letters` : check?.(value)
  }

  return parser((text) => {
    if (text.length > longest) throw new Error(`must have ${longest} characters at most`)
    if (!/^[\x21-\x7e]+$/.test(text)) throw new Error('must be percent-encoded: a space is %20')
    const params = text.split('&').map(readParam)
    const seen = new Set<string>()
    for (const [name, value] of params) {
      const found = findProblem(name, value)
      if (found !== undefined) throw new Error(found)
      const isRepeatable = name === repeatable
      const once = isRepeatable ? JSON.stringify([name, value]) : name.toLowerCase()
      if (seen.has(once)) throw new Error(`names ${name} twice${isRepeatable ? ' with one value' : ''}`)
      seen.add(once)
    }
    return params
  })
}

/** Decodes one part of application/x-www-form-urlencoded; undefined where a % encodes nothing. */
function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

/**
 * Reads one name and value. A problem names only the place: the text may be a secret that was pasted here.
 */
function readParam(text: string, index: number): readonly [string, string] {
  const problem = (what: string) => new Error(`is wrong at parameter ${index + 1}, which ${what}`)
  const [encodedName = '', ...rest] = text.split('=')
  const [name, value] = [decode(encodedName), decode(rest.join('='))]
  if (name === undefined || value === undefined) throw problem('contains a % that is not percent-encoding')
  // The characters of RFC 6749 8.2.
  if (!/^[\w.-]{1,64}$/.test(name)) throw problem('has no name of up to 64 letters, digits, "_", "." and "-"')
  if (value.trim() === '') throw problem('has no value')
  if (/\p{Cc}/u.test(value)) throw problem('contains a control character')
  return [name, value]
}

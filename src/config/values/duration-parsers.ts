import { type Parser, parser } from './parsers.ts'

/** A duration between two others, which it may equal; its value is in milliseconds. */
export const duration = (atLeast: string, atMost: string): Parser<number> =>
  parser((text) => readDuration(text, atLeast, atMost))

/** At most `limit` requests within a window of `window` milliseconds. */
export interface RateLimit {
  limit: number
  window: number
}

/** A rate such as 30/1m, or `off`. */
export const rateLimit: Parser<RateLimit | 'off'> = parser((text) => {
  if (text === 'off') return 'off'
  const [, limit = '', window = ''] = /^([1-9]\d{0,6})\/(\d{1,6}[smhd])$/.exec(text) ?? []
  if (limit === '') throw new Error('must be a rate such as 30/1m, or off')
  try {
    return { limit: Number(limit), window: readDuration(window, '1s', '1d') }
  } catch {
    throw new Error('must have a window between 1s and 1d')
  }
})

const units = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Reads a duration such as 30s, 10m, 8h or 14d, in milliseconds. */
function readDuration(text: string, atLeast: string, atMost: string): number {
  const read = (duration: string) => {
    const [, amount, unit] = /^(\d{1,6})([smhd])$/.exec(duration) ?? []
    if (amount === undefined) throw new Error('must be a duration such as 30s, 10m, 8h or 14d')
    return Number(amount) * units[unit as keyof typeof units]
  }
  const value = read(text)
  if (value < read(atLeast) || value > read(atMost)) {
    throw new Error(`must lie between ${atLeast} and ${atMost}`)
  }
  return value
}

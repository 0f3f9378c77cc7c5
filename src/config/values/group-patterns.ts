import { type Parser, parser } from './parsers.ts'

/**
 * Names of groups, comma-separated; `*` stands for any characters, also none. A name that holds a comma is written with
 * `*` in its place.
 */
export const groupPatterns: Parser<string[]> = parser((text) => {
  const items = text.split(',').map((item) => item.trim())
  if (items.includes(''))
    throw new Error('must not have an empty entry: two commas in a row, or one at an end')
  if (items.some((item) => /\p{Cc}/u.test(item))) {
    throw new Error('must not hold control characters, such as tabs and line breaks')
  }
  return items
})

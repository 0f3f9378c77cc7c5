import { type Parser, parser } from './parsers.ts'

/**
 * Names of groups, comma-separated; `*` matches any number of any characters. In a name that contains a
 * comma, write `*` in its place.
 */
export const groupPatterns: Parser<string[]> = parser((text) => {
  const items = text.split(',').map((item) => item.trim())
  if (items.includes(''))
    throw new Error('must not have an empty entry: two commas in a row, or one at an end')
  if (items.some((item) => /\p{Cc}/u.test(item))) {
    throw new Error('must not contain control characters, such as tabs and line breaks')
  }
  return items
})

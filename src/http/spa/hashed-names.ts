/**
 * Whether the name of a file contains a hash of its content, so that a file of this name never changes. Build
 * tools write the hash behind a hyphen or a dot, and before the extension:
 *
 *     main.1a2b3c4d5e6f.js, 812.a1b2c3d4.chunk.css   webpack, Parcel: hexadecimal, 8 digits or more
 *     1a2b3c4d5e6f7a8b9c0d.svg                       webpack: nothing else, 16 digits or more
 *     main-5QB7HWE2.js                               Angular, esbuild: 8 of A to Z and 2 to 7
 *     index-BxY12abc.js, index.BxY12abc.js           Vite, Rollup: 8 of A to Z, a to z, 0 to 9, _ and -
 *
 * Words and numbers are no hash: `app-settings.js`, `Admin-UserList.js`, `photo-20240501.jpg`. The few hashes
 * that look like these are not recognized; their files are asked for again each time, which is never wrong.
 */
export function isHashedName(name: string): boolean {
  const [first = '', ...others] = name.split('.').slice(0, -1)
  const hashes = [...behindHyphen(first), ...others.flatMap((part) => [part, ...behindHyphen(part)])]
  return hashes.some(isHash) || (first.length >= 16 && isHex(first) && isHash(first))
}

/**
 * What may be a hash at the end of a part: what follows its last hyphen, and 8 characters, which may have
 * some.
 */
function behindHyphen(part: string): string[] {
  const last = part.lastIndexOf('-')
  if (last === -1) return []
  return [part.slice(last + 1), part.at(-9) === '-' ? part.slice(-8) : '']
}

const isHex = (text: string) => /^[\da-f]{8,64}$/.test(text)

function isHash(text: string): boolean {
  if (isHex(text)) return (text.match(/[a-f]+|\d+/g)?.length ?? 0) >= 3
  if (/^[A-Z2-7]{8}$/.test(text)) return /\d/.test(text)
  if (!/^[\w-]{8}$/.test(text) || !/[A-Z]/.test(text) || !/[a-z]/.test(text)) return false
  // Words have two letters or more: `UserList` and `Summer24` have words alone, `C11wb9vD` has not.
  const words = text.match(/[A-Z][a-z]*|[a-z]+/g) ?? []
  return words.some(({ length }) => length === 1)
}

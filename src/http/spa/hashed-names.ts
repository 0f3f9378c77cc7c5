/**
 * Whether the name of a file contains a hash of its content, so that a file of this name never changes. Build
 * tools write the hash behind a hyphen or a dot, and before the extension:
 *
 *     main.1a2b3c4d5e6f.js, 812.a1b2c3d4.chunk.css   webpack, Parcel: hexadecimal, 8 digits or more
 *     1a2b3c4d5e6f7a8b9c0d.svg                       webpack: nothing else, 16 digits or more
 *     main-5QB7HWE2.js                               Angular, esbuild: 8 of A to Z and 2 to 7
 *     index-BxY12abc.js, index.BxY12abc.js           Vite, Rollup: 8 of A to Z, a to z, 0 to 9, _ and -
 *
 * A word is no hash: `app-settings.js` and `UserList` count as names, and `photo-20240501.jpg`, too. So does a
 * hash that looks like one; its file is then asked for again each time, which is never wrong.
 */
export function isHashedName(name: string): boolean {
  const [first = '', ...others] = name.split('.').slice(0, -1)
  const hashes = [...behindHyphen(first), ...others.flatMap((part) => [part, ...behindHyphen(part)])]
  return hashes.some(isHash) || (first.length >= 16 && isHex(first) && isHash(first))
}

/** What may be a hash at the end of a part: what follows its last hyphen, and 8 characters, which may have some. */
function behindHyphen(part: string): string[] {
  const last = part.lastIndexOf('-')
  if (last === -1) return []
  return [part.slice(last + 1), part.at(-9) === '-' ? part.slice(-8) : '']
}

const isHex = (text: string) => /^[\da-f]{8,64}$/.test(text)

/** Whether a text looks random: it changes between small letters, capital letters and digits often enough. */
function isHash(text: string): boolean {
  const runs = text.match(/[a-z]+|[A-Z]+|\d+/g)?.length ?? 0
  if (isHex(text)) return runs >= 3
  if (!/^[\w-]{8}$/.test(text)) return false
  if (/^[A-Z2-7]+$/.test(text)) return runs >= 2
  return runs >= (/\d/.test(text) ? 4 : 5)
}

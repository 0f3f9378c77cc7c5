import fc from 'fast-check'

const piece = fc.constantFrom(
  '/',
  '\\',
  '.',
  '..',
  ':',
  '@',
  '#',
  '?',
  '%2f',
  '%5c',
  '%',
  '\t',
  '\n',
  '\u0085',
  'https:',
  'http:',
  'https://spa.example.com',
  'evil.example',
  'app.example.com',
  'a',
  ' ',
  '"',
  "'",
  '<',
  '[',
  '\u00e9',
  '\uff0f',
  '\uff3c',
  '\u3002',
  '\u2028',
  '\ufeff',
  '\ud83d\ude80',
  '\ud800',
)

/** Generates what an attacker may write into `return_to`; most begin as an allowed address does. */
export const hostileAddress = fc
  .tuple(fc.constantFrom('', '/', '/a', 'https://spa.example.com/'), fc.array(piece, { maxLength: 12 }))
  .map(([start, pieces]) => start + pieces.join(''))

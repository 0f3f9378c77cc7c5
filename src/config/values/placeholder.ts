/**
 * The part of a value that was copied from instructions and not replaced, such as `{your domain}`,
 * `<client id>`, `your-client-id` or `...`; undefined: there is none. A secret has to be a placeholder as a
 * whole: a random one may contain any characters.
 */
export function findPlaceholder(text: string, isSecret = false): string | undefined {
  if (text === '...') return text
  if (isSecret) return inBrackets.exec(text)?.[0] === text || yourThing.test(text) ? text : undefined
  const part = inBrackets.exec(text)?.[0]
  return part ?? text.split(/[\s/:?&=,.@]+/).find((word) => yourThing.test(word) || blank.test(word))
}

/** JSON is none: its braces are followed by quotes. */
const inBrackets = /\$?\{[a-z][\w .-]*\}|<[a-z][\w .-]*>/i

/** Only what instructions ask for: a company may have a name that begins with "your". */
const yourThing =
  /^your[-_ ]?(okta|auth0|oidc|client|app|domain|tenant|org|issuer|idp|provider|secret|company)([-_ ]?(domain|name|id|secret|url|org))*$/i

/** On a development machine, such a word may really be a secret: the doctor says that it could be guessed. */
const blank = /^(change[-_ ]?me|replace[-_ ]?me|todo|tbd|x{3,})$/i

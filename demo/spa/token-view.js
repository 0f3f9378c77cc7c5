// @ts-check
/** Shows a JWT: encoded, with its three parts in different colours, and decoded. */

/** @param {string} part */
const decode = (part) =>
  JSON.parse(
    new TextDecoder().decode(
      Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (character) =>
        character.charCodeAt(0),
      ),
    ),
  )

/** @param {unknown} time seconds since the epoch */
const toLocalTime = (time) => (typeof time === 'number' ? new Date(time * 1000).toLocaleTimeString() : '')

/**
 * @param {{ encoded: HTMLElement, header: HTMLElement, payload: HTMLElement, times: HTMLElement }} elements
 * @param {string} token
 */
export function showToken(elements, token) {
  const parts = token.split('.')
  const names = ['header', 'payload', 'signature']
  elements.encoded.replaceChildren(
    ...parts.flatMap((part, index) => {
      const span = Object.assign(document.createElement('span'), {
        textContent: part,
        className: `jwt-${names[index]}`,
      })
      return index === 0 ? [span] : ['.', span]
    }),
  )
  const [header, payload] = parts.slice(0, 2).map(decode)
  elements.header.textContent = JSON.stringify(header, null, 2)
  elements.payload.textContent = JSON.stringify(payload, null, 2)
  elements.times.textContent = `Issued at ${toLocalTime(payload.iat)}, expires at ${toLocalTime(payload.exp)}. Only the signature makes it true; an API checks that.`
}

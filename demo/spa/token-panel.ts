import { portico } from './client.ts'
import { countdown } from './countdown.ts'
import { create, element, run } from './page.ts'

/** What this page reads in an app token. */
interface Claims {
  iat: number
  exp: number
  cnf?: { jkt: string }
}

/** Decodes a part of a JWT: JSON in UTF-8, encoded as base64url. */
export const decode = (part = ''): unknown =>
  JSON.parse(
    new TextDecoder().decode(
      Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (character) =>
        character.charCodeAt(0),
      ),
    ),
  )

const partNames = ['header', 'payload', 'signature']

let shown = ''

/** Shows a JWT: encoded, with its three parts in different colours, and decoded. */
function showToken(token: string): void {
  if (token === shown) return
  shown = token
  const parts = token.split('.')
  const spans = parts.map((part, index) => create('span', part, { className: `jwt-${partNames[index]}` }))
  element('encoded').replaceChildren(...spans.flatMap((span, index) => (index === 0 ? [span] : ['.', span])))
  const [header, claims] = [decode(parts[0]), decode(parts[1]) as Claims]
  element('header').textContent = JSON.stringify(header, null, 2)
  element('payload').textContent = JSON.stringify(claims, null, 2)
  element('thumbprint').textContent = claims.cnf?.jkt ?? ''
  countdown.start('token-time', claims.exp - Date.now() / 1000)
}

/** Gets the app token and shows it; `fresh` asks for another one. */
export async function showCurrentToken({ fresh = false } = {}): Promise<void> {
  // #region token
  const token = await portico.getToken({ fresh })
  // #endregion
  showToken(token)
}

/** Removes the token of a user who is not signed in any more. */
export function forgetToken(): void {
  shown = ''
  for (const id of ['encoded', 'header', 'payload', 'thumbprint']) element(id).textContent = ''
}

export function prepareTokenPanel(): void {
  const button = element('new-token')
  button.addEventListener('click', () =>
    run(button, 'There is no fresh token.', () => showCurrentToken({ fresh: true })),
  )
  // The client renews the token by itself. This shows the new one; a failure is reported as `renew-failed`.
  setInterval(() => {
    if (shown !== '' && !document.hidden && countdown.secondsLeft('token-time') < 60) {
      showCurrentToken().catch(() => {})
    }
  }, 1000)
}

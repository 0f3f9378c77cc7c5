import { PorticoError } from '@portico-bff/client'
import type { SpaConfig } from './types.ts'

/** Returns the element with that id; the page has all that are asked for. */
export const element = (id: string): HTMLElement => document.getElementById(id) as HTMLElement

/** Creates an element with text, or with other elements in it. */
export function create<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  content: Node | string | (Node | string)[] = [],
  properties: Partial<HTMLElementTagNameMap[Name]> = {},
): HTMLElementTagNameMap[Name] {
  const created = Object.assign(document.createElement(name), properties)
  created.append(...[content].flat())
  return created
}

/** Says in the header what happened; screen readers read it when they have finished a sentence. */
export function announce(text: string): void {
  element('status').textContent = text
}

/** What to do about an error, by its code. */
const remedies: Record<string, string> = {
  network_error: 'Is the demo still running? Then try again.',
  session_required: 'Log in again.',
  session_expired: 'Log in again.',
  access_denied: 'Nothing has changed. Log in whenever you want to.',
}

const toRemedy = ({ code, retryAfter }: PorticoError): string =>
  remedies[code] ?? (retryAfter === undefined ? 'Try again in a moment.' : `Try again in ${retryAfter} s.`)

/** Removes the alert of an earlier action. */
function clearAlert(): void {
  document.querySelector('[role=alert]')?.remove()
}

/**
 * Shows that an action failed, why, and what to do: beside this element, or on top where it is not visible any
 * more.
 */
export function showAlert(near: HTMLElement, title: string, error: PorticoError): void {
  clearAlert()
  const { code, message, requestId } = error
  const trace = requestId === undefined ? '' : `, request ${requestId}`
  const alert = create(
    'div',
    [create('strong', title), ` ${message} ${toRemedy(error)} `, create('code', code + trace)],
    { role: 'alert', className: 'alert' },
  )
  const row = near.checkVisibility() ? near.closest('section :is(.buttons, .title, .sessions)') : null
  if (row === null) document.querySelector('main')?.prepend(alert)
  else row.after(alert)
}

/** Runs what a click asks for. A failure is shown beside it, in place of what earlier actions said. */
export async function run(near: HTMLElement, title: string, action: () => Promise<unknown>): Promise<void> {
  clearAlert()
  announce('')
  try {
    await action()
  } catch (error) {
    // Any other error is a defect of this page.
    if (!(error instanceof PorticoError)) throw error
    showAlert(near, title, error)
  }
}

/** Puts code of this page beside what it does, and shows what depends on how the demo was started. */
export function showCode({ code, provider, redirect, dpop }: SpaConfig): void {
  for (const pre of document.querySelectorAll<HTMLElement>('[data-code]')) {
    const names = pre.dataset.code?.split(' ') ?? []
    const shown = names.filter((name) => redirect === 'spa' || name !== 'callback')
    pre.textContent = shown.map((name) => code[name]).join('\n\n')
  }
  for (const place of document.querySelectorAll('.provider')) place.textContent = provider.title
  document.body.dataset.bound = String(dpop)
  const flows = {
    spa: 'The provider redirects to this page, which forwards the code to Portico. The other flow, without a callback page:',
    server: 'The provider redirects to Portico, and this page has no callback page. The other flow:',
  }
  const binding = dpop
    ? 'App tokens are bound to a key of this browser. Without that:'
    : 'App tokens are bearer tokens. Bound to a key of this browser:'
  element('variant').replaceChildren(
    `${flows[redirect]} `,
    create('code', `npm run demo -- --redirect ${redirect === 'spa' ? 'server' : 'spa'}`),
    `. ${binding} `,
    create('code', `npm run demo -- --binding ${dpop ? 'none' : 'dpop'}`),
    '.',
  )
}

import type { ListedSession } from '@portico-bff/client'
import { portico } from './client.ts'
import { announce, create, element, run } from './page.ts'

function renderSession({ id, device, address, created_at: createdAt, current }: ListedSession): HTMLElement {
  const since = new Date(createdAt).toLocaleTimeString([], { timeStyle: 'short' })
  const place = address === null ? '' : ` at ${address}`
  const button = create('button', 'End', {
    type: 'button',
    ariaLabel: `End the session on ${device}, since ${since}`,
  })
  button.addEventListener('click', () =>
    run(element('sessions'), 'The session was not ended.', async () => {
      await portico.sessions.end(id)
      if (current) return announce('You ended this session.')
      await showSessions()
      announce(`The session on ${device} has ended.`)
      element('where').focus()
    }),
  )
  const text = `${device}${place}, since ${since}${current ? ' (this one)' : ''}`
  return create('li', [create('span', text), button])
}

/** Shows where the user is signed in. */
export async function showSessions(): Promise<void> {
  const sessions = await portico.sessions.list()
  element('sessions').replaceChildren(...sessions.map(renderSession))
  element('end-others').hidden = sessions.length < 2
}

export function prepareSessionsPanel(): void {
  element('end-others').addEventListener('click', () =>
    run(element('sessions'), 'The sessions were not ended.', async () => {
      const ended = await portico.sessions.endOthers()
      await showSessions()
      announce(ended === 1 ? 'One other session has ended.' : `${ended} other sessions have ended.`)
      element('where').focus()
    }),
  )
}

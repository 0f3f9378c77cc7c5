import { demo, portico } from './client.ts'
import { announce, create, element, run } from './page.ts'
import type { Attempt } from './types.ts'

/** Sends a token to the program elsewhere, which tries to call the API with it. */
export async function tryElsewhere(token: string): Promise<Attempt[]> {
  const response = await fetch('/elsewhere', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ token }),
  })
  return response.json()
}

export const isAccepted = ({ status }: Attempt): boolean => status < 400

function renderAttempt(attempt: Attempt): HTMLElement {
  const verdict = isAccepted(attempt) ? 'accepted' : 'refused'
  return create('li', [
    create('strong', `${attempt.status} ${verdict}`, { className: verdict }),
    ` ${attempt.how}`,
    create('pre', attempt.answer),
  ])
}

const renderColumn = (title: string, attempts: Attempt[]): HTMLElement =>
  create('div', [create('h3', title), create('ul', attempts.map(renderAttempt), { className: 'attempts' })])

async function copyToken(): Promise<void> {
  const token = await portico.getToken()
  const [elsewhere, here] = await Promise.all([
    tryElsewhere(token),
    portico.fetch(`${demo.apiUrl}/orders`).then(
      async (response): Promise<Attempt> => ({
        how: 'by portico.fetch',
        status: response.status,
        answer: await response.text(),
      }),
    ),
  ])
  element('elsewhere').replaceChildren(
    renderColumn('This page, with its key', [here]),
    renderColumn('The program elsewhere, with the token alone', elsewhere),
  )
  const verdict = elsewhere.some(isAccepted) ? 'accepted' : 'refused'
  announce(`This page may call the API. The program elsewhere was ${verdict}.`)
}

export function prepareCopyPanel(): void {
  const button = element('copy-token')
  button.addEventListener('click', () => run(button, 'The token was not copied.', copyToken))
}

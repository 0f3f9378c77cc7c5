import type { TokenOptions } from '@portico-bff/client'
import { demo, portico } from './client.ts'
import { leaveFor, takeErrand } from './errand.ts'
import { flow } from './flow.ts'
import { element, run } from './page.ts'

const { apiUrl } = demo

/** Calls the sample API and shows its answer. Where it demands another sign-in, the browser leaves this page. */
async function callApi(path: string, method: string, token: TokenOptions = {}): Promise<number> {
  const narrowed = token.scope === undefined ? '' : ` with only ${token.scope}`
  flow.mark(['api', `${method} ${path}${narrowed}`])
  // #region call
  const response = await portico.fetch(apiUrl + path, { method }, token)
  const answer = await response.json()
  // #endregion
  flow.mark(['api-answer', `${response.status} ${response.ok ? 'accepted' : 'refused'}`])
  const challenge = response.headers.get('WWW-Authenticate') ?? ''
  const result = element('result')
  result.dataset.ok = String(response.ok)
  result.textContent = `${method} ${path} → ${response.status}\n${challenge}\n${JSON.stringify(answer, null, 2)}`
  return response.status
}

const pay = () =>
  leaveFor({ kind: 'pay' }, async () => {
    const status = await callApi('/payments', 'POST')
    // After this refusal the client begins a login; the errand ends when the browser is back.
    if (status === 401) return
    takeErrand()
    flow.mark('paid')
  })

export function prepareApiPanel(): void {
  for (const button of document.querySelectorAll<HTMLButtonElement>('button[data-path]')) {
    const { path = '/', method = 'GET', scope } = button.dataset
    const call = () => callApi(path, method, scope === undefined ? {} : { scope })
    button.addEventListener('click', () => run(button, 'The call did not succeed.', call))
  }
  const button = element('pay')
  button.addEventListener('click', () => run(button, 'The payment did not succeed.', pay))
  // Without ID tokens there is no proof of when the user signed in, so that Portico refuses to ask for it.
  for (const id of ['pay', 'pay-note']) element(id).hidden = !demo.provider.facts.idToken
}

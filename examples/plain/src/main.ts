import { apiUrl, completeLogin, describeState, portico, readTokenId } from './portico'
import './style.css'

const find = (selector: string) => document.querySelector(selector) as HTMLElement

let error = ''

function show(): void {
  const state = portico.getState()
  find('[role=status]').textContent = error || describeState(state)
  find('#login').hidden = state.status !== 'signed-out'
  find('#signed-in').hidden = state.user === undefined
}

async function showToken({ fresh = false } = {}): Promise<void> {
  find('#token').textContent = readTokenId(await portico.getToken({ fresh }))
}

async function callApi(): Promise<void> {
  const response = await portico.fetch(`${apiUrl}/orders`)
  find('#answer').textContent = `GET /orders → ${response.status}\n${await response.text()}`
}

async function run(action: () => Promise<unknown>): Promise<void> {
  error = ''
  await action().catch((reason: Error) => {
    error = reason.message
  })
  show()
}

const onClick = (id: string, action: () => Promise<unknown>) =>
  find(id).addEventListener('click', () => run(action))

onClick('#login', () => portico.login())
onClick('#logout', () => portico.logout())
onClick('#call', callApi)
onClick('#renew', () => showToken({ fresh: true }))

portico.on('signed-in', () => run(showToken))
portico.subscribe(show)
void run(completeLogin)

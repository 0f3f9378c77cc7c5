/**
 * The script of the operator's page. Everything from the API becomes text, never markup. The secret is kept
 * for this tab only.
 */
export const script = `
'use strict'
const $ = (id) => document.getElementById(id)
const slot = 'portico-operator-secret'
let secret = sessionStorage.getItem(slot)
let isDraining = false

/** Makes an element; its children are elements and texts. */
function make(tag, children, properties) {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children)
  return element
}
const show = (id, children) => $(id).replaceChildren(...children)
const say = (notice, problem) => { $('notice').textContent = notice || ''; $('problem').textContent = problem || '' }
const time = (iso) => new Date(iso).toLocaleString()
const count = (number, one, many) => number + ' ' + (number === 1 ? one : many)

function span(seconds) {
  const parts = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']]
  const [size, unit] = parts.find(([size]) => seconds >= size) || [1, 's']
  return Math.floor(seconds / size) + ' ' + unit
}

/** Calls the API; throws an error whose message is for the operator. */
async function call(method, path) {
  const response = await fetch('/operator/' + path, { method, headers: { authorization: 'Bearer ' + secret } })
    .catch(() => { throw new Error('Portico does not answer.') })
  const answer = await response.json().catch(() => ({}))
  if (response.ok) return answer
  if (response.status === 401) leave()
  throw new Error(response.status === 401 ? 'This is not OPERATOR_SECRET.' : answer.detail || 'Portico answered ' + response.status + '.')
}

/** Runs what a click began; the button waits meanwhile. */
async function act(button, work) {
  say()
  button.disabled = true
  try {
    say(await work())
  } catch (error) {
    say('', error.message)
  } finally {
    button.disabled = false
  }
}

/** Asks whether to go on; resolves to the answer. */
function ask(question, yes) {
  $('sure-question').textContent = question
  $('sure-yes').textContent = yes
  $('sure').returnValue = ''
  $('sure').showModal()
  return new Promise((resolve) => {
    $('sure').onclose = () => resolve($('sure').returnValue === 'yes')
  })
}
$('sure-yes').onclick = () => $('sure').close('yes')
$('sure-no').onclick = () => $('sure').close('')

function tile(name, value, mood) {
  return make('div', [make('dt', [name]), make('dd', [String(value)], { className: mood || '' })])
}

function showStatus(status) {
  isDraining = status.draining
  const unknown = (value) => (value === null ? 'unknown' : value.toLocaleString())
  show('tiles', [
    tile('This process', status.ready ? 'Ready' : 'Not ready', status.ready ? 'good' : 'bad'),
    tile('Sessions', unknown(status.sessions)),
    tile('To be revoked', unknown(status.pending_revocations)),
    tile('Open streams', status.open_streams),
    tile('Event loop, late by', status.event_loop_delay_ms.p99 + ' ms'),
    tile('Up for', span(status.uptime)),
    tile('Version', status.version),
    tile('Replica', status.replica + (status.worker === null ? '' : ', worker ' + status.worker)),
  ])
  const wrong = Object.entries(status.parts).filter(([, state]) => state !== 'ok')
  show('parts', wrong.map(([part, state]) => make('li', [make('strong', [part.replaceAll('_', ' ') + ': ']), state], { className: 'bad' })))
  $('drain').textContent = isDraining ? 'Take requests again' : 'Drain this replica'
  $('drain-hint').textContent = isDraining ? 'It is not ready, and serves those who still come.' : 'Balancers send no more requests to it.'
  show('providers', status.providers.map((provider) => {
    const open = Object.entries(provider.breakers).filter(([, state]) => state === 'open').map(([name]) => name)
    const states = [provider.discovered ? 'metadata is known' : 'not discovered: logins answer 503']
    if (open.length > 0) states.push('no calls for now: ' + open.join(', '))
    const isGood = provider.discovered && open.length === 0
    return make('li', [make('strong', [provider.name]), ' ', make('span', [states.join('; ')], { className: isGood ? 'good' : 'bad' }), make('small', [provider.issuer])])
  }))
  showKeys(status.keys)
}

const states = { signing: 'signs', next: 'signs from', retired: 'retired, still verifies', published: 'published' }
function showKeys(keys) {
  show('keys', (keys || []).map(({ kid, alg, state, signs_from }) => {
    const what = state === 'next' ? states.next + ' ' + time(signs_from) : states[state]
    return make('li', [make('strong', [what]), ' · ' + alg, make('small', [kid])])
  }))
  if (keys === null) show('keys', [make('li', ['The store does not answer.'], { className: 'bad' })])
}

async function refresh() {
  if (secret === null || document.visibilityState !== 'visible') return
  try {
    showStatus(await call('GET', 'status'))
    if ($('problem').dataset.outage) say()
    delete $('problem').dataset.outage
  } catch (error) {
    say('', error.message)
    $('problem').dataset.outage = 'yes'
  }
}

function leave() {
  secret = null
  sessionStorage.removeItem(slot)
  $('inside').hidden = $('leave').hidden = true
  $('enter').hidden = false
  for (const id of ['sessions', 'story', 'tiles', 'parts', 'providers', 'keys']) show(id, [])
  for (const id of ['secret', 'subject', 'question']) $(id).value = ''
}

async function enter() {
  showStatus(await call('GET', 'status'))
  sessionStorage.setItem(slot, secret)
  $('enter').hidden = true
  $('inside').hidden = $('leave').hidden = false
}

$('enter').onsubmit = (event) => {
  event.preventDefault()
  secret = $('secret').value
  void act(event.submitter, async () => {
    await enter()
    $('secret').value = ''
    $('status-title').focus()
  })
}
$('leave').onclick = () => { leave(); say('The secret is forgotten.'); $('secret').focus() }

$('drain').onclick = () => act($('drain'), async () => {
  const begins = !isDraining
  if (begins && !(await ask('Drain this replica? It says that it is not ready, until you take it back.', 'Drain'))) return ''
  await call(begins ? 'POST' : 'DELETE', 'drain')
  await refresh()
  return begins ? 'This replica drains.' : 'This replica takes requests again.'
})

$('rotate').onclick = () => act($('rotate'), async () => {
  if (!(await ask('Let the next key sign, two minutes from now?', 'Rotate'))) return ''
  showKeys((await call('POST', 'keys/rotate')).keys)
  return 'The next key signs in two minutes.'
})

$('end-everyone').onclick = () => act($('end-everyone'), async () => {
  if (!(await ask('End the sessions of all users? They have to sign in again.', 'End all sessions'))) return ''
  say('Ending all sessions…')
  const { ended } = await call('DELETE', 'sessions')
  show('sessions', [])
  await refresh()
  return count(ended, 'session has', 'sessions have') + ' ended.'
})

async function showSessions(subject) {
  const path = 'subjects/' + encodeURIComponent(subject) + '/sessions'
  const { sessions } = await call('GET', path)
  const items = sessions.map((session) => {
    const button = make('button', ['End'], { type: 'button', className: 'quiet' })
    button.setAttribute('aria-label', 'End the session on ' + session.device)
    button.onclick = () => act(button, async () => {
      if (!(await ask('End the session of ' + subject + ' on ' + session.device + '?', 'End'))) return ''
      await call('DELETE', 'sessions/' + session.id)
      await showSessions(subject)
      return 'The session has ended.'
    })
    const details = [session.provider, session.address, 'since ' + time(session.created_at), 'last seen ' + time(session.last_seen_at)]
    return make('li', [make('div', [make('strong', [session.device]), make('small', [details.filter(Boolean).join(' · ')])]), button], { className: 'entry' })
  })
  if (items.length === 0) return show('sessions', [make('p', ['This user has no session.'], { className: 'hint' })])
  const all = make('button', ['End ' + count(items.length, 'session', 'sessions')], { type: 'button', className: 'danger' })
  all.onclick = () => act(all, async () => {
    if (!(await ask('End all sessions of ' + subject + ', also logins in progress?', 'End all'))) return ''
    const { ended } = await call('DELETE', path)
    await showSessions(subject)
    return count(ended, 'session has', 'sessions have') + ' ended.'
  })
  show('sessions', [make('ul', items, { className: 'plain' }), make('p', [all], { className: 'row' })])
}
$('find').onsubmit = (event) => {
  event.preventDefault()
  show('sessions', [])
  void act(event.submitter, () => showSessions($('subject').value.trim()))
}

$('ask').onsubmit = (event) => {
  event.preventDefault()
  show('story', [])
  void act(event.submitter, async () => {
    const query = new URLSearchParams({ [$('kind').value]: $('question').value.trim() })
    const { story } = await call('GET', 'events?' + query)
    show('story', story.filter(Boolean).map((line) => make('li', [line])))
  })
}

setInterval(refresh, 5000)
document.addEventListener('visibilitychange', refresh)
if (secret !== null) enter().catch((error) => say('', error.message))
`

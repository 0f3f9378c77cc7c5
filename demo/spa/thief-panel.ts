import { portico } from './client.ts'
import { isAccepted, tryElsewhere } from './copy-panel.ts'
import { announce, create, element, run } from './page.ts'
import { type Finding, isAppToken, searchEverywhere } from './thief.ts'

const renderFinding = ({ place, found, tokens }: Finding): Node[] => [
  create('dt', place),
  create('dd', [
    create('span', found, { className: tokens.length > 0 ? 'refused' : '' }),
    ...tokens.map((token) => create('code', token.length > 60 ? `${token.slice(0, 60)}…` : token)),
  ]),
]

/** A row: what a thief wants, what an app with tokens in the browser gives, and what this page gives. */
type Row = [want: string, usual: string, here: string]

/** Says what a copied app token is worth, after it was tried. */
async function toWorthElsewhere(token: string): Promise<string> {
  const attempts = await tryElsewhere(token)
  return attempts.some(isAccepted)
    ? 'Found. It works elsewhere for up to five minutes, or until you log out.'
    : `Found. Used elsewhere, it was refused ${attempts.length} times: the key is missing there.`
}

async function toRows(findings: Finding[]): Promise<Row[]> {
  const [byWatching, ...requests] = findings.slice(-3)
  const [token] = byWatching?.tokens ?? []
  const others = findings.flatMap(({ tokens }) => tokens).filter((each) => !isAppToken(each))
  const toWhere = (where: string) =>
    others.length === 0 ? `None found. ${where}` : `Found: ${others.length}.`
  const isGranted = requests.some(({ tokens }) => tokens.length > 0)
  return [
    [
      'The provider’s refresh token',
      'In localStorage: new tokens for weeks, from anywhere, also when the page is closed.',
      toWhere('It is on the server.'),
    ],
    [
      'The provider’s access and ID token',
      'In localStorage or in memory: used at the provider’s APIs as you.',
      toWhere('They are on the server.'),
    ],
    [
      'The token for the app’s API',
      'The same access token: works from anywhere until it expires.',
      token === undefined ? 'Not found.' : await toWorthElsewhere(token),
    ],
    [
      'Another token, for the thief',
      'From the provider, by a hidden sign-in (prompt=none): with a refresh token of its own.',
      isGranted
        ? 'Granted, as to the page: for five minutes, or until you log out. Never a refresh token.'
        : 'Refused: the session belongs to the key with which you signed in.',
    ],
    [
      'While the page is open',
      'The script acts as you.',
      'The script acts as you: nothing prevents that but a page that lets no script in.',
    ],
    [
      'After you log out',
      'Copied tokens work on until they expire, or until each is revoked.',
      'Nothing works any more: the API asks Portico whether the session exists.',
    ],
  ]
}

function renderComparison(rows: Row[]): HTMLElement {
  const toHead = (name: string) => create('th', name, { scope: 'col' })
  const head = create('tr', ['A thief gets', 'Tokens in the browser', 'This page'].map(toHead))
  const body = rows.map(([want, usual, here]) =>
    create('tr', [create('th', want, { scope: 'row' }), create('td', usual), create('td', here)]),
  )
  return create('table', [create('thead', head), create('tbody', body)], { className: 'comparison' })
}

async function runThief(): Promise<void> {
  const findings = await searchEverywhere(() => portico.getToken({ fresh: true }))
  const rows = await toRows(findings)
  element('loot').replaceChildren(
    create('h3', 'What the script found'),
    create('dl', findings.flatMap(renderFinding), { className: 'findings' }),
    create('h3', 'What that is worth'),
    renderComparison(rows),
  )
  announce('The thief’s script has finished. What it found is below its button.')
}

export function prepareThiefPanel(): void {
  const button = element('run-thief')
  button.addEventListener('click', () => run(button, 'The script found nothing, as it failed.', runThief))
}

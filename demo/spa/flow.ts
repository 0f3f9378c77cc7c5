import { demo } from './client.ts'
import { type FlowName, lanes, type Step, toFlows } from './flow-steps.ts'
import { create, element } from './page.ts'
import type { SpaConfig } from './types.ts'

/** What the diagram shows, kept while the browser is at the provider. */
interface Progress {
  name: FlowName
  /** By the ids of the steps that were done: what happened, or nothing special. */
  done: Record<string, string>
}

const storageKey = 'portico-demo-flow'

const readProgress = (): Progress =>
  JSON.parse(sessionStorage.getItem(storageKey) ?? '{"name":"login","done":{}}') as Progress

/** The sequence diagram: each step is filled in as it happens, with the code of this page that does it. */
function createFlow({ redirect, provider, code }: SpaConfig) {
  const flows = toFlows(redirect, provider.facts)

  function render() {
    const { name, done } = readProgress()
    const head = create(
      'div',
      lanes.map((lane) => create('span', lane)),
      { className: 'lanes', ariaHidden: 'true' },
    )
    const list = create(
      'ol',
      flows[name].map((step, index) => renderStep(step, index, done[step.id], code)),
    )
    element('flow').replaceChildren(head, list)
  }

  function save(progress: Progress) {
    sessionStorage.setItem(storageKey, JSON.stringify(progress))
    render()
  }

  return {
    render,
    /** Shows another flow, of which nothing has happened yet. */
    begin: (name: FlowName) => save({ name, done: {} }),
    /** Marks steps as done; a pair says as well what happened. */
    mark(...marks: (string | [id: string, happened: string])[]) {
      const { name, done } = readProgress()
      const added = Object.fromEntries(marks.map((mark) => (typeof mark === 'string' ? [mark, ''] : mark)))
      save({ name, done: { ...done, ...added } })
    },
  }
}

function renderStep(
  { from, to, text, note, code }: Step,
  index: number,
  happened: string | undefined,
  sources: SpaConfig['code'],
): HTMLElement {
  const isDone = happened !== undefined
  const number = create('span', String(index + 1), { className: 'number' })
  const direction = from === to ? 'self' : to > from ? 'right' : 'left'
  const lane = create('div', [create('span', [number], { className: `arrow ${direction}` })], {
    className: 'lane',
    ariaHidden: 'true',
  })
  const way = from === to ? lanes[from] : `${lanes[from]} → ${lanes[to]}`
  const progress = create('span', isDone ? ', done' : ', not yet', { className: 'visually-hidden' })
  const title = create('p', [create('strong', text), ` · ${way}`, progress])
  const source = code === undefined ? [] : [create('pre', sources[code] ?? '')]
  const item = create('li', [lane, create('div', [title, create('p', happened || note), ...source])], {
    className: isDone ? 'done' : 'open',
  })
  item.style.setProperty('--left', String(Math.min(from, to)))
  item.style.setProperty('--span', String(Math.abs(to - from)))
  return item
}

export const flow = createFlow(demo)

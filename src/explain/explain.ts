import { isTransactionId, toStartedAt } from '../login/transaction.ts'
import { createEventCollection } from './collect-events.ts'
import { readLog } from './read-log.ts'
import { toStories } from './story.ts'

/** What the log says about one id. */
export interface Explained {
  /** Whether the log has the id. */
  found: boolean
  text: string
}

/**
 * Explains what became of the login or the request of an id, from the lines of a log. The log is read once
 * and never as a whole in memory.
 */
export async function explain(log: AsyncIterable<string>, id: string): Promise<Explained> {
  const collection = createEventCollection(id)
  const counts = { events: 0, pretty: 0 }
  let endedAt = 0
  for await (const line of readLog(log)) {
    if (line === 'pretty') counts.pretty += 1
    if (typeof line === 'string') continue
    counts.events += 1
    endedAt = Math.max(endedAt, Date.parse(line.time))
    collection.add(line)
  }
  const stories = toStories(collection.events(), endedAt)
  if (stories.length > 0) return { found: true, text: toText(stories.map(({ lines }) => lines)) }
  return { found: false, text: toText([[explainNothing(id, counts)]]) }
}

const toText = (paragraphs: readonly (readonly string[])[]): string =>
  `${paragraphs.map((lines) => lines.join('\n')).join('\n\n')}\n`

/** Why there is no story. */
function explainNothing(id: string, { events, pretty }: { events: number; pretty: number }): string {
  if (events === 0 && pretty > 0) {
    return 'These lines are for people to read (LOG_FORMAT=pretty). Set LOG_FORMAT=json, let it happen again, and pass those lines.'
  }
  if (events === 0) return 'There is no line of Portico in this log.'
  const begun = isTransactionId(id)
    ? ` It is the id of a login that was begun ${new Date(toStartedAt(id)).toISOString()}: does the log have that time, and every replica?`
    : ' Does it have the time of the failure, and the lines of every replica? At LOG_LEVEL=warn and above it does not have all that is needed.'
  return `No line of this log has the id ${id}.${begun}`
}

import type { RequestHandler } from 'express'
import { z } from 'zod'
import type { Clock } from '../../clock.ts'
import { AppError } from '../../errors.ts'
import { findEvents, type Wanted } from '../../explain/find-events.ts'
import type { RecentEvents } from '../../explain/recent-events.ts'
import { toStories } from '../../explain/story.ts'
import { parameter, readParameters } from '../request/parameters.ts'

const eventsParameters = z.object({ subject: parameter(300).optional(), id: parameter(128).optional() })

interface EventsOptions {
  recentEvents: Pick<RecentEvents, 'read'>
  /** The hashes by which events name a user. */
  toHashes: (sub: string) => string[]
  clock: Clock
}

/**
 * GET /operator/events: the recent events of a user (`subject`, as in app tokens) or of a login, a request or
 * a session (`id`), and what they mean in plain lines.
 */
export function createEventsHandler({ recentEvents, toHashes, clock }: EventsOptions): RequestHandler {
  return async (req, res) => {
    const wanted = readWanted(req.query)
    const events = findEvents(await recentEvents.read(), wanted)
    const stories = toStories(events, clock.now())
    const story = stories.flatMap(({ lines }, index) => (index === 0 ? lines : ['', ...lines]))
    res.json({ events, story: events.length === 0 ? [nothing] : story })
  }

  /** A user is asked for by the `sub` of app tokens, or by the hash that is in the log. */
  function readWanted(query: unknown): Wanted {
    const { subject, id } = readParameters(eventsParameters, query)
    if (subject !== undefined && id === undefined) return { subs: [subject, ...toHashes(subject)] }
    if (id !== undefined && subject === undefined) return { id }
    throw new AppError('invalid_request', 'Send one of the parameters subject and id.')
  }
}

const nothing =
  'None of the events that are kept (the last 1,000, for an hour) is about this. A login that never came back is in the log only: pass it to portico-bff explain.'

import type { NewSession } from '../../session.ts'

/** Sessions of each of the two generations below: with the tokens of a usual user, five megabytes in all. */
const generationSize = 500

/**
 * Sessions as they were opened lately. An app makes many calls in a row, and to open its session costs as
 * much as all else of a check. The older generation goes when the younger one is full.
 */
export function createOpenedSessions() {
  let younger = new Map<string, { sealed: Buffer; session: NewSession }>()
  let older = younger

  return {
    /** Returns the session that was opened from these very bytes. */
    find(handle: string, sealed: Buffer): NewSession | undefined {
      const young = younger.get(handle)
      const known = young ?? older.get(handle)
      if (known === undefined || !known.sealed.equals(sealed)) return undefined
      if (young === undefined) add(handle, known)
      return known.session
    },
    /** Keeps a session, if there is one, and returns it. */
    keep(handle: string, sealed: Buffer, session: NewSession | undefined): NewSession | undefined {
      // A copy: what comes from the connection is a part of a larger buffer, which would stay as well.
      if (session !== undefined) add(handle, { sealed: Buffer.from(sealed), session })
      return session
    },
  }

  function add(handle: string, record: { sealed: Buffer; session: NewSession }): void {
    if (younger.size >= generationSize) {
      older = younger
      younger = new Map()
    }
    younger.set(handle, record)
  }
}

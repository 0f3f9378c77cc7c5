/** What the replicas share in addition to sessions. */
export interface SharedState {
  /** Reserves a key for `lifetime` milliseconds: true for the first caller, false for every later one. */
  reserveOnce(key: string, lifetime: number): Promise<boolean>

  /**
   * Settles a reservation with a record for the other callers; a later record replaces an earlier one. The
   * record's text is dropped after `textLifetime` milliseconds. Returns false if the reservation was
   * cancelled before.
   */
  settleReservation(key: string, record: ReservationRecord, textLifetime: number): Promise<boolean>

  /**
   * Cancels a key for `lifetime` milliseconds, reserved or not: it can be neither reserved nor settled any
   * more. A settled reservation is left unchanged. Returns the state before.
   */
  cancelReservation(key: string, lifetime: number): Promise<Reservation>

  findReservation(key: string): Promise<Reservation>

  /** Publishes a text to all replicas for `lifetime` milliseconds. */
  publish(key: string, text: string, lifetime: number): Promise<void>

  /** Returns the text that was published under a key; undefined once its lifetime has passed. */
  readPublished(key: string): Promise<string | undefined>

  /**
   * Counts one more hit in a window of `window` milliseconds that the first hit opened; `remaining` is what
   * is left of it.
   */
  count(key: string, window: number): Promise<{ hits: number; remaining: number }>

  /** Keeps texts for `lifetime` milliseconds, and of all that were kept so the newest `capacity`. */
  appendRecent(texts: readonly string[], keep: { lifetime: number; capacity: number }): Promise<void>

  /** Returns the texts of `appendRecent` that are still kept, the oldest first. */
  readRecent(): Promise<string[]>

  /** Returns the shared text of a name, if there is one. */
  readVersioned(name: string): Promise<VersionedText | undefined>

  /** Writes a shared text; false if its version is not `expectedVersion` (0: there is none yet). */
  writeVersioned(name: string, expectedVersion: number, text: string): Promise<boolean>
}

/**
 * State of a reservation. `open`: the key is not reserved. `held`: the first caller is at work. `settled`: it
 * has finished, and left a record for the others. `cancelled`: the key can no longer be reserved.
 */
export type Reservation =
  | { readonly state: 'open' | 'held' | 'cancelled' }
  | { readonly state: 'settled'; readonly note: string; readonly text: string | undefined }

/**
 * What the holder of a reservation leaves for others: a note that lives as long as it, and a text that lives
 * shorter.
 */
export interface ReservationRecord {
  note: string
  text: string
}

/** A text that all replicas share, changed by compare-and-set. */
export interface VersionedText {
  readonly text: string
  readonly version: number
}

/** Whether the user did something in this tab since the session was last extended. */
export interface Activity {
  /** Takes note of something that the user did. */
  note(): void
  isUsed(): boolean
  /** Says whether something happened since the last call, and begins again. */
  take(): boolean
  close(): void
}

/** What counts as use: what a person does, never what the page does by itself. */
const events = ['pointerdown', 'keydown', 'wheel', 'touchmove']

/** Watches what the user does; `onUse` runs at the first of it. Opening the page counts as well. */
export function watchActivity(onUse: () => void): Activity {
  let isUsed = true
  const note = () => {
    if (isUsed) return
    isUsed = true
    onUse()
  }
  for (const event of events) addEventListener(event, note, { capture: true, passive: true })

  return {
    note,
    isUsed: () => isUsed,
    take() {
      const wasUsed = isUsed
      isUsed = false
      return wasUsed
    },
    close() {
      for (const event of events) removeEventListener(event, note, { capture: true })
    },
  }
}

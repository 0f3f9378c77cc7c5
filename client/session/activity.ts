/** Whether the user did something in this tab since the session was last extended. */
export interface Activity {
  /** Watches what the user does, until the signal. */
  watch(signal: AbortSignal): void
  /** Takes note of something that the user did. */
  note(): void
  isUsed(): boolean
  /** Says whether something happened since the last call, and begins again. */
  take(): boolean
}

/** What counts as use: what a person does, never what the page does by itself. */
const events = ['pointerdown', 'keydown', 'wheel', 'touchmove']

/** Creates the activity of this tab; `onUse` runs at the first of it. Opening the page counts as well. */
export function createActivity(onUse: () => void): Activity {
  let isUsed = true
  const note = () => {
    if (isUsed) return
    isUsed = true
    onUse()
  }

  return {
    watch(signal) {
      for (const event of events) addEventListener(event, note, { capture: true, passive: true, signal })
    },
    note,
    isUsed: () => isUsed,
    take() {
      const wasUsed = isUsed
      isUsed = false
      return wasUsed
    },
  }
}

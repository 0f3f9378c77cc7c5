import { element } from './page.ts'

/** Shows how long something lasts, as a person says it. */
export function toDuration(seconds: number): string {
  const left = Math.max(0, Math.round(seconds))
  if (left >= 7200) return `${Math.floor(left / 3600)} h ${Math.floor((left % 3600) / 60)} min`
  return left >= 60 ? `${Math.floor(left / 60)} min ${left % 60} s` : `${left} s`
}

/**
 * Counts down in elements of the page, each second while the page is visible. They are in no live region: a
 * screen reader reads them when asked.
 */
function createCountdown() {
  const ends = new Map<string, number>()
  const secondsLeft = (id: string) => ((ends.get(id) ?? 0) - performance.now()) / 1000
  const show = () => {
    for (const id of ends.keys()) element(id).textContent = toDuration(secondsLeft(id))
  }
  setInterval(() => {
    if (!document.hidden) show()
  }, 1000)
  return {
    /** Begins to count down in the element with that id. */
    start(id: string, seconds: number) {
      ends.set(id, performance.now() + seconds * 1000)
      show()
    },
    secondsLeft,
  }
}

export const countdown = createCountdown()

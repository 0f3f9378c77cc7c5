import { timingSafeEqual } from 'node:crypto'

/** Whether two texts are equal, compared in a time that depends on their lengths alone. */
export function isEqualInConstantTime(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}

import type { ProbeRefusal } from '../provider/probe.ts'

/** What to do, by what the reason of a failure looks like; the first that fits counts. */
export type Advice = readonly (readonly [RegExp, string])[]

/** The advice for a reason. */
export function findAdvice(advice: Advice, reason: string, otherwise: string): string {
  const [, fix = otherwise] = advice.find(([pattern]) => pattern.test(reason)) ?? []
  return fix
}

/** A provider's refusal in one line. */
export const tellRefusal = ({ error, description }: ProbeRefusal): string =>
  description === '' ? error : `${error} (${description})`

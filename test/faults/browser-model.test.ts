import fc from 'fast-check'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { runSteps, type Step } from '../support/deployments/browser-model.ts'
import { type Deployment, deployments } from '../support/deployments/deployments.ts'

/** How many random sequences each deployment is put through; the seed is of one's choice, and printed where a run fails. */
const runs = Number(process.env.MODEL_RUNS ?? 100)
const seed = process.env.MODEL_SEED === undefined ? 1 : Number(process.env.MODEL_SEED)

const number = fc.nat({ max: 5 })
const of = (weight: number, names: Step['do'][], more: Record<string, fc.Arbitrary<number>> = {}) => ({
  weight,
  arbitrary: fc.record({ do: fc.constantFrom(...names), ...more }) as unknown as fc.Arbitrary<Step>,
})
const person = { home: number, login: number, person: number }
const copied = fc.nat({ max: 1 })
/** The latest ones most of all. */
const copy = fc.constantFrom(0, 0, 0, 1, 1, 2, 3)
const step = fc.oneof(
  of(8, ['begin'], { home: number, copied }),
  of(8, ['finish'], { ...person, copied }),
  of(4, ['lose-answer', 'cross-with-logout'], person),
  of(3, ['finish-two-at-once'], { ...person, other: number }),
  of(2, ['repeat', 'finish-with-guess'], { home: number, login: number }),
  of(4, ['log-out'], { home: number }),
  of(12, ['thief-guesses', 'thief-logs-out', 'thief-signs-in'], { copy }),
  of(5, ['wait'], { seconds: fc.constantFrom(1, 10, 20, 60) }),
)
const steps = fc.array(step, { minLength: 20, maxLength: 40, size: 'max' })

describe.each(deployments)('%s', (_name, start) => {
  let deployment: Deployment
  beforeAll(async () => {
    deployment = await start()
  })
  afterAll(() => deployment.close())

  test('whatever browsers, people and a thief do, in any order, a session is its finisher’s alone and ends with a logout', {
    timeout: 600_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(steps, (sequence) => runSteps(deployment, sequence)),
      { numRuns: runs, seed },
    )
  })
})

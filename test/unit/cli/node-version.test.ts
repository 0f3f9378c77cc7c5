import { expect, test } from 'vitest'
import { findNodeProblem } from '../../../src/cli/node-version.ts'
import { readEngines } from '../../../src/telemetry/version.ts'

test.each(['18.20.0', '20.20.2', '22.99.9', '24.11.1', '9.0.0'])('Node %s is too old', (current) => {
  expect(findNodeProblem(current, '>=24.12')).toBe(`Portico needs Node 24.12 or newer; this is ${current}.`)
})

test.each(['24.12.0', '24.20.1', '25.0.0', '100.1.0', '26.0.0-nightly20260101'])(
  'Node %s is new enough',
  (current) => expect(findNodeProblem(current, '>=24.12')).toBeUndefined(),
)

test('the range of package.json is one that the check can read, and this Node is in it', () => {
  expect(readEngines().node).toMatch(/^>=\d+\.\d+$/)
  expect(findNodeProblem('1.0.0')).toContain(readEngines().node.slice('>='.length))
  expect(findNodeProblem(process.versions.node)).toBeUndefined()
})

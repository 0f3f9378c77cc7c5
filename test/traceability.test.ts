import { describe, expect, test } from 'vitest'
import { documents, findIds, isTest, read, readRows, writeTests } from './support/source/traceability.ts'

const used = findIds()
const rows = documents.flatMap((file) => readRows(read(file)))

test('every requirement and fault is listed once, in the order of the numbers', () => {
  for (const isBuilt of [true, false]) {
    const listed = rows.filter((row) => row.isBuilt === isBuilt).map(({ id }) => id)
    const inOrder = (letter: string) =>
      listed.filter((id) => id.startsWith(letter)).sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)))
    expect(listed).toEqual([...inOrder('R'), ...inOrder('F')])
  }
  expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length)
  expect(rows.length).toBeGreaterThan(140)
})

test('every number that is used is listed', () => {
  const listed = new Set(rows.map(({ id }) => id))
  expect([...used].filter(([id]) => !listed.has(id))).toEqual([])
})

test('what is listed is held by a test, and what is not built yet by none', () => {
  const isHeld = ({ id }: { id: string }) => (used.get(id) ?? []).some(isTest)
  expect(rows.filter((row) => isHeld(row) !== row.isBuilt)).toEqual([])
})

describe('the tests of each number stand beside it: npm run docs:traceability writes them', () => {
  test.each(documents)('%s', (file) => {
    expect(read(file)).toBe(writeTests(read(file), used))
  })
})

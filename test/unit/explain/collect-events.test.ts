import { expect, test } from 'vitest'
import { createEventCollection } from '../../../src/explain/collect-events.ts'
import type { LoggedEvent } from '../../../src/explain/logged-event.ts'

const at = (count: number) => new Date(Date.UTC(2026, 10, 26) + count).toISOString()
const started = (login: string, count: number): LoggedEvent => ({
  event: 'login_started',
  time: at(count),
  login,
  request_id: `begin-${login}`,
})
const failed = (login: string, count: number): LoggedEvent => ({
  event: 'login_failed',
  time: at(count),
  login,
  request_id: `callback-${login}`,
})
const namesOf = (collection: ReturnType<typeof createEventCollection>) =>
  collection.events().map(({ event }) => event)

test.each(['b', 'begin-b', 'callback-b'])('by the id %s, both legs of a login are found', (id) => {
  const collection = createEventCollection(id)
  for (const login of ['a', 'b', 'c']) collection.add(started(login, 1))
  for (const login of ['a', 'b', 'c']) collection.add(failed(login, 2))
  expect(namesOf(collection)).toEqual(['login_started', 'login_failed'])
  expect(collection.events().map(({ login }) => login)).toEqual(['b', 'b'])
})

test('what a request said before its login was known belongs to it', () => {
  const collection = createEventCollection('b')
  collection.add({ event: 'return_to_refused', time: at(1), request_id: 'begin-b' })
  collection.add({ event: 'return_to_refused', time: at(1), request_id: 'begin-a' })
  collection.add(started('b', 2))
  expect(namesOf(collection)).toEqual(['return_to_refused', 'login_started'])
})

test('events of several replicas are put in order', () => {
  const collection = createEventCollection('b')
  collection.add(failed('b', 2))
  collection.add(started('b', 1))
  expect(namesOf(collection)).toEqual(['login_started', 'login_failed'])
})

test('only the last logins are remembered, so that a log of any length can be read', () => {
  const collection = createEventCollection('callback-0', { capacity: 100 })
  collection.add(started('0', 1))
  for (let count = 1; count < 100; count += 1) collection.add(started(`${count}`, 1))
  collection.add(failed('0', 2))
  expect(namesOf(collection)).toEqual(['login_started', 'login_failed'])
  const forgetful = createEventCollection('callback-0', { capacity: 100 })
  forgetful.add(started('0', 1))
  for (let count = 1; count < 201; count += 1) forgetful.add(started(`${count}`, 1))
  forgetful.add(failed('0', 2))
  expect(namesOf(forgetful)).toEqual(['login_failed'])
})

test('of one id that comes for ever, a part is kept', () => {
  const collection = createEventCollection('b')
  for (let count = 0; count < 10_000; count += 1) collection.add(failed('b', count))
  expect(collection.events()).toHaveLength(100)
})

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createOpenCalls, type OpenCall, type OpenCalls } from '../../../src/proxy/open-calls.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/session/memory/store.ts'
import type { SessionStore } from '../../../src/session/store.ts'
import { createTestClock } from '../../support/clock.ts'
import { lifetimes, session } from '../../support/session-fixture.ts'

/** The time of the looks is moved by hand; everything else is real. */
let store: MemoryStore
/** Handles that were read, in their order. */
let read: string[]
let calls: OpenCalls
/** What happens at each read. */
let onRead: SessionStore['read']
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  store = createMemoryStore({ clock: createTestClock(), lifetimes })
  read = []
  onRead = store.read
  calls = createOpenCalls({
    read(handle) {
      read.push(handle)
      return onRead(handle)
    },
  })
})
afterEach(() => {
  calls.stop()
  vi.useRealTimers()
})

/** Lets the time of one look pass, and the look end. */
async function look(): Promise<void> {
  vi.advanceTimersByTime(2_000)
  await new Promise((resolve) => setImmediate(resolve))
}

/** Opens a call of a session; undefined: of a user who is not signed in. */
function open(handle: string | undefined, isStream = true) {
  const end = vi.fn<OpenCall['end']>()
  const call: OpenCall = {
    session: handle === undefined ? undefined : { handle },
    isStream: () => isStream,
    end,
  }
  calls.add(call)
  return { call, end }
}

test('calls end within two looks after their session, those of others and of no session never', async () => {
  await store.create('ended', session)
  await store.create('living', session)
  const [first, second, living, anonymous] = [open('ended'), open('ended'), open('living'), open(undefined)]
  await look()
  await store.end('ended')
  await look()
  for (const { end } of [first, second]) {
    expect(end).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'session_expired' }))
  }
  for (const { end } of [living, anonymous]) expect(end).not.toHaveBeenCalled()
})

test('while the store does not answer, nothing ends; it is asked again', async () => {
  const { end } = open('ended')
  onRead = () => Promise.reject(new Error('down'))
  await look()
  await look()
  expect([read.length, end.mock.calls.length]).toEqual([1, 0])
  onRead = store.read
  await look()
  expect(end).toHaveBeenCalledOnce()
})

test('a look that takes long is not joined by another', async () => {
  open('h1')
  const held = Promise.withResolvers<undefined>()
  onRead = () => held.promise
  for (let turn = 0; turn < 4; turn += 1) await look()
  expect(read).toEqual(['h1'])
  held.resolve(undefined)
})

test('a session is read once for all its calls, none for calls that are over or have just begun', async () => {
  for (const handle of ['h1', 'h2']) await store.create(handle, session)
  const { call } = open('h2')
  for (let count = 0; count < 5; count += 1) open('h1')
  await look()
  expect(read).toEqual([])
  calls.delete(call)
  await look()
  expect(read).toEqual(['h1'])
})

test('at most a hundred sessions are read at the same time, and all of them', async () => {
  for (let number = 0; number < 250; number += 1) open(`h${number}`)
  let atOnce = 0
  let most = 0
  onRead = async (handle) => {
    atOnce += 1
    most = Math.max(most, atOnce)
    const found = await store.read(handle)
    atOnce -= 1
    return found
  }
  await look()
  await look()
  expect([most, new Set(read).size]).toEqual([100, 250])
})

test('when the server ends, so do streams, and other calls not yet; nothing is read any more', async () => {
  const [stream, other] = [open('h1'), open('h1', false)]
  calls.endStreams()
  expect(stream.end).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ name: 'CallEnded' }))
  expect(other.end).not.toHaveBeenCalled()
  calls.stop()
  await look()
  await look()
  expect(read).toEqual([])
})

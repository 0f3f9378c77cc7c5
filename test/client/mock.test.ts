import { describe, expect, test, vi } from 'vitest'
import { PorticoError } from '../../client/errors.ts'
import { createMockPortico } from '../../client/mock.ts'

const ada = { sub: 'ada', name: 'Ada', department: 'Engines' }
const grace = { sub: 'grace', name: 'Grace', department: 'Compilers' }

describe('the state of a mock', () => {
  test('is signed in with a user, signed out without one, or what it is given', () => {
    expect(createMockPortico({ user: ada, session: { id: 's1' } }).getState()).toMatchObject({
      status: 'signed-in',
      user: ada,
      session: { id: 's1', idle_expires_in: 1_800 },
    })
    expect(createMockPortico().getState()).toEqual({ status: 'signed-out' })
    expect(createMockPortico({ status: 'loading', user: ada }).getState()).toEqual({ status: 'loading' })
    expect(createMockPortico({ status: 'unknown', user: ada }).getState()).toMatchObject({
      status: 'unknown',
      user: ada,
      error: { code: 'network_error' },
    })
  })

  test('changes with the controls, is reported, and is the same object in between', () => {
    const portico = createMockPortico({ user: ada })
    const listener = vi.fn()
    const stop = portico.subscribe(listener)
    expect(portico.getState()).toBe(portico.getState())
    portico.signOut()
    expect(portico.getState()).toEqual({ status: 'signed-out' })
    portico.signIn(grace)
    expect(portico.getState().user?.department).toBe('Compilers')
    portico.fail(new PorticoError('store_unavailable', 'down', { status: 503 }))
    expect(portico.getState()).toMatchObject({ status: 'unknown', user: grace })
    expect(listener).toHaveBeenCalledTimes(3)
    stop()
    portico.signOut()
    expect(listener).toHaveBeenCalledTimes(3)
  })

  test('causes the events of the real client', async () => {
    const portico = createMockPortico({ status: 'signed-out', user: ada })
    const events: unknown[] = []
    for (const name of ['signed-in', 'signed-out', 'user-changed', 'expiring'] as const) {
      portico.on(name, (event) => events.push([name, event]))
    }
    const stop = portico.on('signed-in', () => events.push('stopped'))
    stop()
    expect(await portico.handleCallback()).toEqual({ returnTo: '/' })
    portico.signIn(grace)
    portico.emit('expiring', { seconds: 60 })
    await portico.logout()
    await portico.logout()
    // Once, however often it is called.
    await portico.handleCallback()
    portico.signIn(grace)
    portico.signOut('other-tab')
    expect(events).toEqual([
      ['signed-in', { user: ada }],
      ['user-changed', { user: grace, previous: ada }],
      ['expiring', { seconds: 60 }],
      ['signed-out', { reason: 'here' }],
      ['signed-in', { user: grace }],
      ['signed-out', { reason: 'other-tab' }],
    ])
  })
})

describe('the calls of a mock', () => {
  test('are recorded with their arguments', async () => {
    const portico = createMockPortico({ user: ada })
    await portico.login({ provider: 'okta' })
    await portico.sessions.end('s2')
    await portico.logout()
    portico.close()
    expect(portico.calls).toEqual([
      { method: 'login', args: [{ provider: 'okta' }] },
      { method: 'sessions.end', args: ['s2'] },
      { method: 'logout', args: [] },
      { method: 'close', args: [] },
    ])
  })

  test('the token: a text, a function of what is asked for, or a new one; none for a user who is signed out', async () => {
    expect(await createMockPortico({ user: ada }).getToken()).toBe('mock-token')
    const portico = createMockPortico({ user: ada, token: ({ scope = 'all' }) => `for ${scope}` })
    expect(await portico.getToken({ scope: 'orders:read' })).toBe('for orders:read')
    portico.setToken('second')
    expect(await portico.getToken()).toBe('second')
    portico.signOut()
    await expect(portico.getToken()).rejects.toMatchObject({ code: 'session_required', status: 401 })
  })

  test('fetch adds the token and asks the given function, or answers 204', async () => {
    const api = vi.fn<typeof fetch>(async () => Response.json(['order']))
    const portico = createMockPortico({ user: ada, fetch: api })
    const response = await portico.fetch('/orders', { method: 'POST', headers: { 'X-Mine': '1' } })
    expect(await response.json()).toEqual(['order'])
    const [input, init] = api.mock.calls[0] ?? []
    expect([input, init?.method]).toEqual(['/orders', 'POST'])
    expect(Object.fromEntries(new Headers(init?.headers))).toEqual({
      authorization: 'Bearer mock-token',
      'x-mine': '1',
    })
    await portico.fetch(new Request('https://api.example/orders', { headers: { 'X-Mine': '2' } }))
    expect(new Headers(api.mock.calls[1]?.[1]?.headers).get('x-mine')).toBe('2')
    expect(await portico.authHeaders('/orders')).toEqual({ Authorization: 'Bearer mock-token' })

    expect((await createMockPortico({ user: ada }).fetch('/orders')).status).toBe(204)
  })

  test('an outage refuses all calls until the user signs in again', async () => {
    const portico = createMockPortico({ user: ada })
    const error = new PorticoError('network_error', 'down')
    portico.fail(error)
    await expect(portico.getToken()).rejects.toBe(error)
    await expect(portico.logout()).rejects.toBe(error)
    expect((await portico.checkSession()).status).toBe('unknown')
    portico.signIn(ada)
    expect(await portico.getToken()).toBe('mock-token')
    const unknown = createMockPortico({ user: ada, status: 'unknown' })
    await expect(unknown.getToken()).rejects.toMatchObject({ code: 'network_error' })
  })

  test('the failure of one method changes nothing else', async () => {
    const portico = createMockPortico({ user: ada })
    const error = new PorticoError('invalid_scope', 'not granted', { status: 400 })
    portico.fail(error, 'getToken')
    await expect(portico.getToken()).rejects.toBe(error)
    expect((await portico.checkSession()).status).toBe('signed-in')
    portico.fail(undefined, 'getToken')
    expect(await portico.getToken()).toBe('mock-token')
  })

  test('sessions and userinfo are those of the user', async () => {
    const portico = createMockPortico({ user: ada })
    expect(await portico.sessions.list()).toMatchObject([{ id: 'mock-session', current: true }])
    expect(await portico.sessions.endOthers()).toBe(0)
    expect(await portico.userinfo()).toEqual(ada)
    portico.signOut()
    expect(await portico.sessions.list()).toEqual([])
  })
})

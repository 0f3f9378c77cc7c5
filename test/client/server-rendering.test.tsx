import { readFileSync } from 'node:fs'
import { join } from 'node:path'
// biome-ignore lint/correctness/noUnresolvedImports: React has it; tsc checks that.
import { StrictMode } from 'react'
import { renderToString } from 'react-dom/server'
import { expect, test } from 'vitest'
import { PorticoError } from '../../client/errors.ts'
import { createMockPortico } from '../../client/mock.ts'
import { renderProblem } from '../../client/react/problem.tsx'
import { Callback, PorticoProvider, RequireAuth, usePortico, useToken } from '../../client/react/react.tsx'

const Status = () => <p>{usePortico().status}</p>
const Token = () => <p>{String(useToken())}</p>

test('a server renders a page that is loading, of no user, and calls nothing', () => {
  const portico = createMockPortico({ user: { sub: 'ada', name: 'Ada' } })
  const html = renderToString(
    <StrictMode>
      <PorticoProvider portico={portico}>
        <Status />
        <Token />
        <RequireAuth loading={<i>Please wait</i>}>secret</RequireAuth>
        <Callback loading={<i>Signing in</i>} />
      </PorticoProvider>
    </StrictMode>,
  )
  expect(html).toBe('<p>loading</p><p>undefined</p><i>Please wait</i><i>Signing in</i>')
  expect(portico.calls).toEqual([])
})

test('without a provider above, a hook says so', () => {
  expect(() => renderToString(<Status />)).toThrow('There is no <PorticoProvider> above this component.')
})

test('a failure shows the id by which the operator finds out why', () => {
  const render = (requestId?: string) =>
    renderToString(renderProblem(new PorticoError('provider_error', 'Refused.', { requestId }), () => {}))
  expect(render('8e220408')).toContain('Request <!-- -->8e220408')
  expect(render()).not.toContain('Request')
})

test('the entry declares itself as code of the client, for Next.js', () => {
  const entry = readFileSync(join(import.meta.dirname, '../../client/react/react.tsx'), 'utf8')
  expect(entry).toMatch(/^'use client'\n/)
})

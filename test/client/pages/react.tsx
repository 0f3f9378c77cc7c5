// biome-ignore lint/correctness/noUnresolvedImports: React has it; tsc checks that.
import { StrictMode, useState } from 'react'
import { createRoot, type Root } from 'react-dom/client'
import { PorticoError } from '../../../client/errors.ts'
import {
  createMockPortico,
  type MockMethod,
  type MockOptions,
  type MockPortico,
} from '../../../client/mock.ts'
import { Callback, PorticoProvider, RequireAuth, usePortico, useToken } from '../../../client/react/react.tsx'
import type { PorticoUser } from '../../../client/types.ts'

/** The page of react.test.ts: renders one scene in StrictMode, with a mock that the test controls. */

const Name = () => <p data-testid="name">{usePortico().user?.name}</p>
/** Keeps what a user typed as its state. */
function Note() {
  const [text, setText] = useState('')
  return <input aria-label="Note" value={text} onChange={(event) => setText(event.target.value)} />
}
const Status = () => <p data-testid="status">{usePortico().status}</p>
function Token({ scope }: { scope?: string }) {
  // The list is another one at each render.
  const token = useToken(scope === undefined ? {} : { scope, audience: ['a', 'b'] })
  seenTokens.push(String(token))
  return <p data-testid="token">{String(token)}</p>
}
function TokenOfScope() {
  const [scope, setScope] = useState('orders:read')
  return (
    <>
      <Token scope={scope} />
      <button type="button" onClick={() => setScope('orders:write')}>
        Write
      </button>
    </>
  )
}

const seenTokens: string[] = []
const done: string[] = []
const scenes = {
  status: <Status />,
  token: <Token />,
  tokenOfScope: <TokenOfScope />,
  guarded: (
    <RequireAuth loading={<p>Please wait</p>}>
      <Name />
      <Note />
    </RequireAuth>
  ),
  guardedWithElements: (
    <RequireAuth
      signedOut={<p>Welcome, stranger</p>}
      unknown={(error, retry) => (
        <button type="button" onClick={retry}>
          {error.code}
        </button>
      )}
    >
      <Name />
    </RequireAuth>
  ),
  guardedWithOptions: <RequireAuth login={{ provider: 'okta' }} />,
  callback: <Callback loading={<p>Please wait</p>} onDone={(returnTo) => void done.push(returnTo)} />,
  callbackWithDefaults: <Callback />,
}

/** What a test can hand over to the page. */
export type ShowOptions = Omit<MockOptions<PorticoUser>, 'fetch' | 'token'> & { token?: string }

export interface Harness {
  portico: MockPortico
  seenTokens: string[]
  done: string[]
  fail(code: string, method?: MockMethod): void
  unmount(): void
}
declare global {
  interface Window {
    harness: Harness
    show(scene: keyof typeof scenes, options: ShowOptions, failing?: [code: string, method: MockMethod]): void
  }
}

let root: Root
window.show = (scene, options, failing) => {
  const portico = createMockPortico(options)
  window.harness = {
    portico,
    seenTokens,
    done,
    fail(code, method) {
      const status = code === 'access_denied' ? 403 : 503
      const error = new PorticoError(code, `It is ${code}.`, { status })
      if (method === undefined) portico.fail(error)
      else portico.fail(error, method)
    },
    unmount: () => root.unmount(),
  }
  if (failing) window.harness.fail(...failing)
  root = createRoot(document.body.appendChild(document.createElement('main')))
  root.render(
    <StrictMode>
      <PorticoProvider portico={portico}>{scenes[scene]}</PorticoProvider>
    </StrictMode>,
  )
}

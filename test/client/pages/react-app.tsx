// biome-ignore lint/correctness/noUnresolvedImports: React has it; tsc checks that.
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { createPortico } from '../../../client/portico.ts'
import { Callback, PorticoProvider, RequireAuth, usePortico, useToken } from '../../../client/react/react.tsx'

/** The app of test/browser/react.test.ts: a callback page, and everything else for signed-in users. */
function Account() {
  const { user, logout } = usePortico()
  const token = useToken()
  return (
    <>
      <p data-testid="name">{user?.name}</p>
      <p data-testid="token">{token}</p>
      <button type="button" onClick={() => logout()}>
        Log out
      </button>
    </>
  )
}

const app =
  location.pathname === '/callback' ? (
    <Callback />
  ) : (
    <RequireAuth>
      <Account />
    </RequireAuth>
  )

createRoot(document.body.appendChild(document.createElement('main'))).render(
  <StrictMode>
    <PorticoProvider portico={createPortico({ apiOrigins: ['self'] })}>{app}</PorticoProvider>
  </StrictMode>,
)

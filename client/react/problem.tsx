import type { PorticoError } from '@portico-bff/client'
import type { ReactNode } from 'react'

/** Renders an error; `retry` tries once more what failed. */
export type RenderProblem = (error: PorticoError, retry: () => void) => ReactNode

/** The login was refused, or the user cancelled it. */
const isRefusal = ({ status }: PorticoError) => status >= 400 && status < 500

/**
 * What users see of an error unless the app renders it: a plain message, the id by which the operator finds
 * out why, and a button.
 */
export const renderProblem: RenderProblem = (error, retry) => (
  <div role="alert">
    <p>
      {isRefusal(error) ? 'You are not signed in' : 'Signing in does not work right now'}: {error.message}
    </p>
    {error.requestId !== undefined && <p>Request {error.requestId}</p>}
    <button type="button" onClick={retry}>
      Try again
    </button>
  </div>
)

import type { ReactNode } from 'react'
import type { PorticoError } from '../errors.ts'

/** Renders an error; `retry` tries once more what failed. */
export type RenderProblem = (error: PorticoError, retry: () => void) => ReactNode

/** What users see of an error unless the app renders it: a plain message, and a button. */
export const renderProblem: RenderProblem = (error, retry) => (
  <div role="alert">
    <p>Signing in does not work right now: {error.message}</p>
    <button type="button" onClick={retry}>
      Try again
    </button>
  </div>
)

'use client'

/** Portico for React: a provider, two hooks and two components. */
export { Callback, type CallbackProps } from './callback.tsx'
export { PorticoProvider, type PorticoProviderProps } from './context.tsx'
export type { RenderProblem } from './problem.tsx'
export { RequireAuth, type RequireAuthProps } from './require-auth.tsx'
export { usePortico } from './use-portico.ts'
export { useToken } from './use-token.ts'

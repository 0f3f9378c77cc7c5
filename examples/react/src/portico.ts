import { createPortico } from '@portico-bff/client'

/** The API, which accepts the app tokens of this Portico. */
export const apiUrl: string = import.meta.env.VITE_API_URL ?? 'http://localhost:3002'

export const portico = createPortico({ apiOrigins: [new URL(apiUrl).origin] })

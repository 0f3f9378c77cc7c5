import { createPortico } from 'portico-bff/client'

/** The API that accepts Portico's app tokens. */
export const apiUrl: string = import.meta.env.VITE_API_URL ?? 'http://localhost:3002'

export const portico = createPortico({ apiOrigins: [apiUrl] })

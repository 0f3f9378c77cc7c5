import { join } from 'node:path'
import express, { type RequestHandler, Router } from 'express'
import type { ProviderVariant } from './provider/variants.ts'

const folder = join(import.meta.dirname, 'spa')

/** What the SPA needs to know about where things are. */
export interface SpaConfig {
  apiUrl: string
  /** What the page shows of the provider. */
  provider: Pick<ProviderVariant, 'title' | 'facts'>
  /** Where the provider sends the browser: a page of the SPA, or Portico itself. */
  redirect: 'spa' | 'server'
}

const headers =
  (apiUrl: string): RequestHandler =>
  (_req, res, next) => {
    res.set({
      'Content-Security-Policy': `default-src 'self'; connect-src 'self' ${apiUrl}; frame-ancestors 'none'; base-uri 'none'; form-action 'self'`,
      'Referrer-Policy': 'no-referrer',
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'no-cache',
    })
    next()
  }

/** Serves the sample SPA from the same origin as Portico, as a static host or a CDN would. */
export function createSpa(config: SpaConfig): Router {
  const spa = Router()
  const security = headers(config.apiUrl)
  spa.get('/demo.json', security, (_req, res) => void res.json(config))
  spa.get(['/', '/callback'], security, (_req, res) => res.sendFile(join(folder, 'index.html')))
  spa.use('/spa', security, express.static(folder))
  return spa
}

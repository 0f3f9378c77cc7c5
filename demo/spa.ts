import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import express, { type RequestHandler, Router } from 'express'
import { bundleApp } from './bundle.ts'
import type { SpaConfig } from './spa/types.ts'

const folder = join(import.meta.dirname, 'spa')

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

/** Reads the parts of the page's source between `#region {name}` and `#endregion`, without their indentation. */
function readSnippets(): Record<string, string> {
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts'))
  const source = files.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n')
  const regions = source.matchAll(/^( *)\/\/ #region (\w+)\n([\s\S]+?)\n *\/\/ #endregion/gm)
  return Object.fromEntries(
    [...regions].map(([, indent = '', name = '', code = '']) => [
      name,
      code
        .split('\n')
        .map((line) => line.replace(indent, '').replace(/^export /, ''))
        .join('\n'),
    ]),
  )
}

/** Serves the sample SPA from the same origin as Portico, as a static host or a CDN would. */
export async function createSpa(config: Omit<SpaConfig, 'code'>): Promise<Router> {
  const spa = Router()
  const script = await bundleApp(join(folder, 'app.ts'))
  const settings: SpaConfig = { ...config, code: readSnippets() }
  const security = headers(config.apiUrl)
  spa.get('/demo.json', security, (_req, res) => void res.json(settings))
  spa.get(['/', '/callback'], security, (_req, res) => res.sendFile(join(folder, 'index.html')))
  spa.get('/spa/app.js', security, (_req, res) => res.type('js').send(script))
  spa.use('/spa', security, express.static(folder))
  return spa
}

import type { Stats } from 'node:fs'
import { basename, join } from 'node:path'
import express, { type NextFunction, type Request, type RequestHandler, type Response, Router } from 'express'
import { AppError } from '../../errors.ts'
import { isNavigation } from '../request/navigation.ts'
import { createIsAppPath } from './app-addresses.ts'
import { isHashedName } from './hashed-names.ts'

interface AppFilesOptions {
  directory: string
  apiPrefix: string
  /** Of each file, as a flat list. */
  headers: readonly string[]
}

/**
 * Creates the handler that serves a build of the app, at every address that is not Portico's. Where there is
 * no file, a navigation gets index.html, because the address is a route of the app; anything else is not
 * found. So no script of an older build, which an open page still asks for, is answered by HTML.
 */
export function createAppFiles({ directory, apiPrefix, headers }: AppFilesOptions): RequestHandler {
  const options = {
    // Not found here, and not a route of the app either.
    dotfiles: 'deny' as const,
    // A route of the app may have the name of a folder.
    redirect: false,
    // Errors arrive with their status, by which a missing file differs from a refused path.
    fallthrough: false,
    setHeaders(res: Response, path: string, stats: Stats) {
      res.locals.appHeaders = headers
      setCacheHeaders(res, basename(path), stats)
    },
  }
  const files = express.static(directory, options)
  const isAppPath = createIsAppPath(apiPrefix)

  const serve: RequestHandler = (req, res, next) => {
    if (!isAppPath(req.path)) return next()
    if (req.method !== 'GET' && req.method !== 'HEAD') throw methodNotAllowed()
    const fallBack = () => {
      res.vary('Accept, Sec-Fetch-Mode')
      req.url = '/index.html'
      files(req, res, (error: unknown) => refuse(error, res, next))
    }
    files(req, res, (error: unknown) => {
      if (toStatus(error) === 404 && isPage(req)) fallBack()
      else refuse(error, res, next)
    })
  }

  // Documents such as security.txt, beside Portico's own, which come first.
  const documents = express.static(join(directory, '.well-known'), { ...options, fallthrough: true })
  const serveDocument: RequestHandler = (req, res, next) =>
    documents(req, res, (error: unknown) => refuse(error, res, next))
  return Router().use('/.well-known', serveDocument).use(serve)
}

/** What changes with its content needs no name for each version: browsers ask for it again each time. */
function setCacheHeaders(res: Response, name: string, { size, mtimeMs, ctimeMs }: Stats): void {
  if (isHashedName(name)) {
    res.setHeader('Cache-Control', 'public, max-age=31536000, immutable')
    return
  }
  res.setHeader('Cache-Control', 'no-cache')
  // Builds that can be reproduced give all files one time, and index.html of two versions often has one size:
  // the time at which the file was put here differs nevertheless.
  const version = [size, mtimeMs, ctimeMs].map((value) => Math.floor(value).toString(16)).join('-')
  res.setHeader('ETag', `W/"${version}"`)
}

/** Whether index.html may be the answer: to a navigation, unless it goes to what only a build makes. */
const isPage = (req: Request): boolean => isNavigation(req) && !/\.(?:[cm]?js|css|map|wasm)$/i.test(req.path)

const toStatus = (error: unknown) => (error instanceof Error && 'status' in error ? error.status : 500)

/** Headers that describe a file, and may be set before it turns out that it is not sent. */
const ofFile = ['Accept-Ranges', 'Cache-Control', 'Content-Length', 'Content-Type', 'ETag', 'Last-Modified']

/** Answers a request for which no file was sent, or leaves it to the handlers that follow. */
function refuse(error: unknown, res: Response, next: NextFunction): void {
  const status = toStatus(error)
  if (!res.headersSent) {
    for (const name of ofFile) res.removeHeader(name)
    res.locals.appHeaders = undefined
    // A condition or a range that does not hold (RFC 9110 13.1, 14.4); no user reads a text of it.
    if (status === 412 || status === 416) {
      res.status(status).end()
      return
    }
  }
  // Not found is also a path out of the directory, and a file whose name begins with a dot.
  next(status === 403 || status === 404 ? undefined : error)
}

function methodNotAllowed(): AppError {
  const detail = 'The app can only be read: by GET and HEAD.'
  return new AppError('method_not_allowed', detail, { headers: { Allow: 'GET, HEAD' } })
}

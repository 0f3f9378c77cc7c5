import { parse } from 'node:querystring'
import type { Express, Request, RequestHandler, Response } from 'express'
import type { Config } from '../../config/config.ts'
import type { Log } from '../../telemetry/events.ts'
import { isOwnHeader } from '../middleware/response-headers.ts'
import { toOriginForm } from '../wire/request-target.ts'
import { makeSafeToRead } from '../wire/safe-request.ts'

interface MountedRouterOptions {
  app: Express
  isOwn(path: string): boolean
  config: Pick<Config, 'publicUrl' | 'origin' | 'basePath'>
  log: Log
}

/**
 * Creates the router that a host app mounts: at the root, or at the path of PUBLIC_URL. A request for an
 * address of this server is answered by its app as in a server of its own. All others go on in the host app
 * as they came.
 */
export function createMountedRouter({ app, isOwn, config, log }: MountedRouterOptions): RequestHandler {
  const { publicUrl, origin, basePath } = config
  let isMisplaced = false

  return (req, res, next) => {
    const { baseUrl, originalUrl } = req
    if (!isAbove(baseUrl)) {
      if (!isMisplaced) log('router_misplaced', { mounted_at: baseUrl, public_url: publicUrl })
      isMisplaced = true
      return next(
        new Error(
          `The router of Portico is mounted at ${baseUrl}, but PUBLIC_URL is ${publicUrl}: ` +
            `set PUBLIC_URL to ${origin}${baseUrl}, or mount it with app.use(portico.router).`,
        ),
      )
    }
    const target = toOriginForm(originalUrl)
    const [path = ''] = target.split('?', 1)
    if (!isOwn(path)) return next()
    takeOver(req, res, target)
    app(req, res)
  }

  /** Whether the path of PUBLIC_URL lies below the router, which hosts find without regard to case. */
  function isAbove(mountedAt: string): boolean {
    return `${basePath}/`.toLowerCase().startsWith(`${mountedAt}/`.toLowerCase())
  }
}

/** Takes a request from its host app: what the host's settings and middleware did to it does not count. */
function takeOver(req: Request, res: Response, target: string): void {
  req.url = target
  req.originalUrl = target
  req.baseUrl = ''
  // Older versions of Express set it on the request, by the query parser of the host. Middleware that cleans
  // parameters does so as well, often for good.
  if (!Reflect.deleteProperty(req, 'query')) req.query = parse(target.split('?').slice(1).join('?'))
  makeSafeToRead(req)
  res.locals = Object.create(null)
  res.statusCode = 200
  for (const name of res.getHeaderNames()) if (isOwnHeader(name)) res.removeHeader(name)
  // Middleware of the host that adds headers at the last moment, such as express-session, has put its own
  // method on the response. The app's takes its place, and calls it in the end.
  if (Object.hasOwn(res, 'writeHead')) {
    res.locals.hostWriteHead = res.writeHead
    Reflect.deleteProperty(res, 'writeHead')
  }
}

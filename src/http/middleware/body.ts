import express, { type RequestHandler } from 'express'
import { AppError } from '../../errors.ts'

const limits = { limit: '16kb', inflate: false } as const
const json = express.json(limits)
const form = express.urlencoded({ ...limits, extended: false, parameterLimit: 50 })

/**
 * Refuses a body that no parser read: treated as empty, a request could do more than its sender asked for.
 */
const refuseUnparsed: RequestHandler = (req, _res, next) => {
  // A chunked body may be empty, but not one that has a Content-Type.
  const isChunked =
    req.headers['transfer-encoding'] !== undefined && req.headers['content-type'] !== undefined
  const hasBody = isChunked || Number(req.headers['content-length'] ?? 0) > 0
  // A host app may have read it before; what became a text or bytes there has no members.
  if (hasBody && (typeof req.body !== 'object' || Buffer.isBuffer(req.body))) {
    throw new AppError('unsupported_media_type', 'This address does not accept a body of this Content-Type.')
  }
  next()
}

/** Middleware: parses a form of at most 16 kB, uncompressed. */
export const formBody: RequestHandler[] = [form, refuseUnparsed]
/** Middleware: parses a form as above, and leaves any other body to a parser after it. */
export const formBodyIfAny: RequestHandler = form
/** Middleware: parses JSON of at most 16 kB, uncompressed. */
export const jsonBody: RequestHandler[] = [json, refuseUnparsed]
/** Middleware: parses JSON or a form of at most 16 kB, uncompressed. */
export const jsonOrFormBody: RequestHandler[] = [json, form, refuseUnparsed]

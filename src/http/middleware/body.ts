import express, { type RequestHandler } from 'express'
import { AppError } from '../../errors.ts'

const limits = { limit: '16kb', inflate: false } as const
const json = express.json(limits)
const form = express.urlencoded({ ...limits, extended: false, parameterLimit: 50 })

/** A body that no parser took must not count as an empty one: it may have been meant to narrow something. */
const refuseUnread: RequestHandler = (req, _res, next) => {
  // A chunked body may be empty; one that says what it is, is meant.
  const isChunked =
    req.headers['transfer-encoding'] !== undefined && req.headers['content-type'] !== undefined
  const hasBody = isChunked || Number(req.headers['content-length'] ?? 0) > 0
  if (hasBody && req.body === undefined) {
    throw new AppError('unsupported_media_type', 'This address does not take a body of that Content-Type.')
  }
  next()
}

export const formBody: RequestHandler[] = [form, refuseUnread]
export const jsonBody: RequestHandler[] = [json, refuseUnread]
export const jsonOrFormBody: RequestHandler[] = [json, form, refuseUnread]

import type { RequestHandler } from 'express'
import { AppError } from '../../errors.ts'
import type { Lifecycle } from '../../lifecycle.ts'

/**
 * POST /operator/drain: this replica, with WORKERS all its processes, is not ready from now on, and serves
 * on. DELETE /operator/drain takes it back.
 */
export function createDrainHandler(lifecycle: Lifecycle, draining: boolean): RequestHandler {
  return async (_req, res) => {
    if (lifecycle.ending) throw new AppError('conflict', 'This process is ending.')
    await lifecycle.setDraining(draining)
    res.locals.log('operator_acted', { act: draining ? 'drain' : 'stop_draining' })
    res.json({ draining: lifecycle.draining })
  }
}

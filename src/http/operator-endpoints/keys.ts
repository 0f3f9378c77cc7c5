import type { RequestHandler } from 'express'
import type { KeyRing, ListedKey } from '../../app-token/key-ring.ts'

/** The keys as the API shows them. */
export const toKeyViews = (keys: readonly ListedKey[]) =>
  keys.map(({ kid, alg, state, signsFrom }) => ({
    kid,
    alg,
    state,
    signs_from: signsFrom === undefined ? null : new Date(signsFrom).toISOString(),
  }))

/** GET /operator/keys: the keys that sign app tokens, in the order in which they sign. */
export function createKeyListHandler(keyRing: Pick<KeyRing, 'list'>): RequestHandler {
  return async (_req, res) => {
    res.json({ keys: toKeyViews(await keyRing.list()) })
  }
}

/**
 * POST /operator/keys/rotate: lets the next key sign as soon as every replica knows of it; 409 with
 * Retry-After while an API may still cache keys without it.
 */
export function createKeyRotationHandler(keyRing: Pick<KeyRing, 'rotate'>): RequestHandler {
  return async (_req, res) => {
    const keys = toKeyViews(await keyRing.rotate())
    const next = keys.find(({ state }) => state === 'next')
    res.locals.log('operator_acted', {
      act: 'rotate_keys',
      key: next?.kid,
      signs_from: next?.signs_from ?? undefined,
    })
    res.json({ keys })
  }
}

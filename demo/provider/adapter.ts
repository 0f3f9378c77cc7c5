import type { Adapter, AdapterFactory, AdapterPayload } from 'oidc-provider'

interface MemoryAdapterOptions {
  /**
   * Seconds in which a used refresh token may be used again, as at Okta. Later use revokes all tokens of its
   * grant.
   */
  grace: number
}

/** Keeps in memory what oidc-provider stores, in one map for each provider. */
export function createMemoryAdapterFactory({ grace }: MemoryAdapterOptions): AdapterFactory {
  const entries = new Map<string, { payload: AdapterPayload; expiresAt: number }>()

  return (model): Adapter => {
    const toKey = (id: string) => `${model}:${id}`

    async function find(id: string): Promise<AdapterPayload | undefined> {
      const entry = entries.get(toKey(id))
      return entry !== undefined && entry.expiresAt > Date.now() ? entry.payload : undefined
    }

    /** Hides from oidc-provider, during the grace, that a refresh token was used. */
    async function findWithGrace(id: string): Promise<AdapterPayload | undefined> {
      const payload = await find(id)
      if (model !== 'RefreshToken' || typeof payload?.consumed !== 'number') return payload
      if (payload.consumed + grace <= Date.now() / 1000) return payload
      const { consumed: _, ...unused } = payload
      return unused
    }

    async function findBy(field: 'uid' | 'userCode', value: string): Promise<AdapterPayload | undefined> {
      for (const [key, { payload, expiresAt }] of entries) {
        if (key.startsWith(`${model}:`) && payload[field] === value && expiresAt > Date.now()) return payload
      }
      return undefined
    }

    return {
      async upsert(id, payload, expiresIn) {
        entries.set(toKey(id), { payload, expiresAt: Date.now() + (expiresIn ?? 86_400) * 1000 })
      },
      find: findWithGrace,
      findByUid: (uid) => findBy('uid', uid),
      findByUserCode: (userCode) => findBy('userCode', userCode),
      async consume(id) {
        const payload = await find(id)
        if (payload !== undefined) payload.consumed ??= Math.floor(Date.now() / 1000)
      },
      async destroy(id) {
        entries.delete(toKey(id))
      },
      async revokeByGrantId(grantId) {
        for (const [key, { payload }] of entries) {
          if (key.startsWith(`${model}:`) && payload.grantId === grantId) entries.delete(key)
        }
      },
    }
  }
}

import type { PorticoSession } from './types.ts'

/** What the tabs of this app say to each other. */
export type TabMessage =
  /** A logout ended this session. */
  | { type: 'signed-out'; id: string | undefined }
  /** The session that this tab sees; without one, it has ended. */
  | { type: 'session'; id: string | undefined }
  /** A token that this tab has just been given. */
  | { type: 'token'; name: string; token: SharedToken }

/** An app token and the session that it belongs to, as it goes from tab to tab. */
export interface SharedToken {
  token: string
  token_type: 'Bearer' | 'DPoP'
  /** Seconds. */
  expires_in: number
  sub: string
  session: PorticoSession
}

/** The tabs in which the same origin uses the same Portico, by where its addresses begin. */
export interface Tabs {
  connect(): void
  post(message: TabMessage): void
  /** Runs in one tab at a time, for each name. `waited` says whether another tab had its turn meanwhile. */
  inTurn<Result extends object>(name: string, run: (waited: boolean) => Promise<Result>): Promise<Result>
  close(): void
}

/** Creates the connection of this tab with the others. */
export function createTabs(api: string, onMessage: (message: TabMessage) => void): Tabs {
  const prefix = `portico ${api}`
  let channel: BroadcastChannel | undefined

  return {
    connect() {
      channel = new BroadcastChannel(prefix)
      channel.onmessage = ({ data }: MessageEvent<TabMessage>) => onMessage(data)
    },

    post: (message) => channel?.postMessage(message),

    async inTurn(name, run) {
      // Only pages over https (or on localhost) have locks; elsewhere each tab is on its own.
      if (!navigator.locks) return run(false)
      const lockName = `${prefix} ${name}`
      const first = await navigator.locks.request(lockName, { ifAvailable: true }, async (lock) =>
        lock ? run(false) : undefined,
      )
      return first ?? navigator.locks.request(lockName, () => run(true))
    },

    close: () => channel?.close(),
  }
}

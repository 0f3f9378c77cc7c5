import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { ProviderConfig } from '../config/providers/provider-config.ts'
import type { ProviderProbe } from '../provider/probe/probe.ts'

/** What every check of one provider may use. */
export interface Examination {
  provider: ProviderConfig
  config: Config
  clock: Clock
  /** Whether Portico answers at PUBLIC_URL now, as seen from this machine. */
  isServed: Promise<boolean>
  probe: ProviderProbe
  /** A probe with another configuration, to try whether that one would work. */
  probeAs(change: Partial<ProviderConfig>): ProviderProbe
}

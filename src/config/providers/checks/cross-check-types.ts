import type { Problem } from '../../config-error.ts'
import type { ProviderValues } from '../provider-from-settings.ts'

/** What a check has to know besides the provider's settings. */
export interface ProviderContext {
  name: string
  /** Undefined where PUBLIC_URL or API_PREFIX has a problem of its own. */
  apiUrl: string | undefined
  /** Empty without PUBLIC_URL: then no origin is checked. */
  allowedOrigins: readonly string[]
}

/** Compares settings of one provider; returns the problem of one that contradicts another, or misses it. */
export type CrossCheck = (values: ProviderValues, context: ProviderContext) => Problem | undefined

import type { ProviderConfig } from './provider-config.ts'

/** Whether a provider is Sign in with Apple. */
export const isApple = ({ clientAuth }: Pick<ProviderConfig, 'clientAuth'>): boolean =>
  clientAuth.method === 'apple_client_secret'

import type { PorticoState } from '@portico-bff/client'
import { onScopeDispose, type ShallowRef, shallowRef } from 'vue'
import { portico } from './portico'

/** Portico's state, for templates, `computed` and `watch`. */
export function usePortico(): Readonly<ShallowRef<PorticoState>> {
  const state = shallowRef(portico.getState())
  const stop = portico.subscribe(() => {
    state.value = portico.getState()
  })
  onScopeDispose(stop)
  return state
}

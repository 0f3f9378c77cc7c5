import { createSubscriber } from 'svelte/reactivity'
import { portico } from './portico'

const track = createSubscriber((update) => portico.subscribe(update))

/** Portico's state; effects and templates that read it run again when it changes. */
export const session = {
  get state() {
    track()
    return portico.getState()
  },
}

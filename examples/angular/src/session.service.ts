import { Injectable, signal } from '@angular/core'
import { portico } from './portico'

/** Portico's state as a signal. */
@Injectable({ providedIn: 'root' })
export class SessionService {
  readonly #state = signal(portico.getState())
  readonly state = this.#state.asReadonly()

  constructor() {
    portico.subscribe(() => this.#state.set(portico.getState()))
  }
}

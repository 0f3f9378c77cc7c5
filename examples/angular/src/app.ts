import { HttpClient } from '@angular/common/http'
import { Component, computed, effect, inject, signal, untracked } from '@angular/core'
import { firstValueFrom } from 'rxjs'
import { apiUrl, completeLogin, describeState, portico, readTokenId } from './portico'
import { SessionService } from './session.service'

@Component({
  selector: 'app-root',
  template: `
    <main>
      <h1>Portico and Angular</h1>
      <p role="status">{{ status() }}</p>

      @if (state().status === 'signed-out') {
        <button type="button" (click)="login()">Log in</button>
      } @else if (state().user) {
        <button type="button" (click)="callApi()">Call the API</button>
        <button type="button" (click)="renew()">Renew the token</button>
        <button type="button" (click)="logout()">Log out</button>
        <dl>
          <dt>The API answers</dt>
          <dd><output aria-label="API answer">{{ answer() }}</output></dd>
          <dt>The id of the token</dt>
          <dd><output aria-label="Token">{{ tokenId() }}</output></dd>
        </dl>
      }
    </main>
  `,
})
export class App {
  readonly #http = inject(HttpClient)
  readonly #error = signal('')
  readonly state = inject(SessionService).state
  readonly status = computed(() => this.#error() || describeState(this.state()))
  readonly answer = signal('')
  readonly tokenId = signal('')

  constructor() {
    void this.#run(completeLogin)
    const isSignedIn = computed(() => this.state().status === 'signed-in')
    effect(() => {
      if (isSignedIn()) void untracked(() => this.#run(() => this.#showToken()))
    })
  }

  readonly login = () => this.#run(() => portico.login())
  readonly logout = () => this.#run(() => portico.logout())
  readonly renew = () => this.#run(() => this.#showToken({ fresh: true }))
  readonly callApi = () =>
    this.#run(async () => {
      const response = await firstValueFrom(this.#http.get(`${apiUrl}/orders`, { observe: 'response' }))
      this.answer.set(`GET /orders → ${response.status}\n${JSON.stringify(response.body)}`)
    })

  async #showToken({ fresh = false } = {}) {
    this.tokenId.set(readTokenId(await portico.getToken({ fresh })))
  }

  async #run(action: () => Promise<unknown>) {
    this.#error.set('')
    await action().catch((error: Error) => this.#error.set(error.message))
  }
}

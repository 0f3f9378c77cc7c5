import type { HttpInterceptorFn } from '@angular/common/http'
import { from, switchMap } from 'rxjs'
import { portico } from './portico'

/** Adds the app token to the requests to the API; `authHeaders` has nothing for any other address. */
export const appTokenInterceptor: HttpInterceptorFn = (request, next) =>
  from(portico.authHeaders(request.url, request.method)).pipe(
    switchMap((setHeaders) => next(request.clone({ setHeaders }))),
  )

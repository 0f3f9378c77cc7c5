// Compiles the templates in the browser, so that Vite alone serves the app. `ng build` needs no such import.
import '@angular/compiler'
import { provideHttpClient, withInterceptors } from '@angular/common/http'
import { bootstrapApplication } from '@angular/platform-browser'
import { App } from './app'
import { appTokenInterceptor } from './app-token.interceptor'
import './style.css'

void bootstrapApplication(App, { providers: [provideHttpClient(withInterceptors([appTokenInterceptor]))] })

import { PorticoProvider } from '@portico-bff/react'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app'
import { portico } from './portico'
import './style.css'

createRoot(document.querySelector('#app') as HTMLElement).render(
  <StrictMode>
    <PorticoProvider portico={portico}>
      <App />
    </PorticoProvider>
  </StrictMode>,
)

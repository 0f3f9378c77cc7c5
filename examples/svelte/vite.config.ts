import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

// Portico answers at the app's own address. Its PUBLIC_URL is therefore this dev server's.
const portico = process.env.PORTICO_URL ?? 'http://localhost:3000'

export default defineConfig({
  plugins: [svelte()],
  server: { port: 5173, strictPort: true, proxy: { '/api': portico, '/.well-known': portico } },
})

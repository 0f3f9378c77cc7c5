import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

// Portico answers at the app's own address. Its PUBLIC_URL is therefore this dev server's.
const portico = process.env.PORTICO_URL ?? 'http://localhost:3000'

export default defineConfig({
  plugins: [vue()],
  server: { port: 5173, strictPort: true, proxy: { '/api': portico, '/.well-known': portico } },
})

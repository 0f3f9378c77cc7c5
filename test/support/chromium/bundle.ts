import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { root } from '../processes/start-process.ts'

/** A file of a bundle: its name, and the minified code. */
export interface BundledFile {
  name: string
  code: string
}

/**
 * Bundles a module for browsers, as a SPA's build does: the entry first, then what it loads later. In
 * development, React's StrictMode runs effects twice.
 */
export async function bundle(
  entry: string,
  mode: 'development' | 'production' = 'production',
): Promise<BundledFile[]> {
  const build = await rolldown({
    input: entry,
    cwd: root,
    platform: 'browser',
    transform: { define: { 'process.env.NODE_ENV': JSON.stringify(mode) } },
    // 'use client' is for servers that render.
    checks: { moduleLevelDirective: false },
  })
  const { output } = await build.generate({ minify: true, comments: false, entryFileNames: '[name].js' })
  await build.close()
  return output.map((file) => ({ name: file.fileName, code: 'code' in file ? file.code : '' }))
}

/** The client of the package. */
export const bundleClient = () => bundle(join(root, 'client/portico.ts'))

/** Bundles a script that imports `portico-bff/client`, as an app does, into one file. */
export async function bundleScript(script: string): Promise<string> {
  const build = await rolldown({
    input: 'app',
    platform: 'browser',
    resolve: { alias: { 'portico-bff/client': join(root, 'client/portico.ts') } },
    plugins: [
      {
        name: 'script',
        resolveId: (id) => (id === 'app' ? id : undefined),
        load: (id) => (id === 'app' ? script : undefined),
      },
    ],
  })
  const { output } = await build.generate({ codeSplitting: false })
  await build.close()
  return output[0].code
}

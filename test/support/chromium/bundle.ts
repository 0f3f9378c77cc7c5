import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { bundleApp } from '../../../demo/bundle.ts'
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

let ofClient: Promise<BundledFile[]> | undefined

/** The client of the package, bundled once for all sites of a test file. */
export function bundleClient(): Promise<BundledFile[]> {
  ofClient ??= bundle(join(root, 'client/portico.ts'))
  return ofClient
}

/** Bundles a script that imports `@portico-bff/client`, as an app does, into one file. */
export const bundleScript = (script: string): Promise<string> =>
  bundleApp('app', [
    {
      name: 'script',
      resolveId: (id) => (id === 'app' ? id : undefined),
      load: (id) => (id === 'app' ? script : undefined),
    },
  ])

import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './start-process.ts'

/** Lets an example import this package by its name, without a build (loaded by `node --import`). */
const source = pathToFileURL(join(root, 'src/portico.ts')).href

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'portico-bff' ? { url: source, shortCircuit: true } : next(specifier, context),
})

import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * Deletes what tsc writes and no entry point of the package in the current folder needs: the declarations of internals,
 * and files that hold nothing but types. The last step of each package's build.
 */

interface Manifest {
  bin?: Record<string, string>
  exports: Record<string, string | { types: string; default: string }>
}
const { bin = {}, exports } = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest
const entries = [bin, ...Object.values(exports)].flatMap((entry) =>
  typeof entry === 'string' ? entry : Object.values(entry),
)
// Only code leads to more files. Exported documents are none, and the image is built without them.
const code = entries.filter((entry) => /\.(js|d\.ts)$/.test(entry))

const needed = new Set<string>()
function visit(file: string): void {
  if (needed.has(file)) return
  needed.add(file)
  const targets = readFileSync(file, 'utf8').matchAll(
    /(?:from |import |import\()['"](\.[^'"]+)\.[jt]sx?['"]/g,
  )
  const extension = file.endsWith('.d.ts') ? '.d.ts' : '.js'
  for (const [, target = ''] of targets) visit(resolve(dirname(file), target + extension))
}
for (const entry of code) visit(resolve(entry))

for (const entry of readdirSync('dist', { recursive: true, withFileTypes: true })) {
  const file = resolve(entry.parentPath, entry.name)
  if (entry.isFile() && !needed.has(file)) rmSync(file)
}

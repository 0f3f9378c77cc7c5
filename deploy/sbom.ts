import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import manifest from '../package.json' with { type: 'json' }

/**
 * The software bill of materials of what is published and of the image: every package that Portico needs at run time,
 * from the lock file, as CycloneDX. `npm run --silent sbom > portico.cdx.json` writes it; `--image node_modules`
 * compares it with the packages in a folder instead.
 */

const root = resolve(import.meta.dirname, '..')

interface Sbom {
  metadata: { component: { 'bom-ref': string; name: string } }
  components: { 'bom-ref': string; name: string; version: string }[]
  dependencies: { ref: string; dependsOn: string[] }[]
}

/**
 * Has npm make it for all packages, and leaves out those that no dependency of Portico leads to. npm's own `--omit dev`
 * leaves out those as well that development needs among others (npm 11.19 lacked 50 of 139), and in the lock file those
 * that only the packages in packages/ need look like Portico's own.
 */
function createSbom(): Sbom {
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'application', '--package-lock-only']
  const sbom = JSON.parse(
    execFileSync('npm', [...args, '--no-workspaces'], { cwd: root, encoding: 'utf8' }),
  ) as Sbom
  const { metadata, components, dependencies } = sbom
  const needed = new Set([metadata.component['bom-ref']])
  const visit = (ref: string) => {
    if (needed.has(ref)) return
    needed.add(ref)
    for (const target of dependencies.find((entry) => entry.ref === ref)?.dependsOn ?? []) visit(target)
  }
  for (const [name, version] of Object.entries(manifest.dependencies)) visit(`${name}@${version}`)
  const isNeeded = (ref: string) => needed.has(ref)
  return {
    ...sbom,
    // npm names the project after its folder.
    metadata: { ...metadata, component: { ...metadata.component, name: manifest.name } },
    components: components.filter((component) => isNeeded(component['bom-ref'])),
    dependencies: dependencies
      .filter(({ ref }) => isNeeded(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter(isNeeded) })),
  }
}

/** The packages of a `node_modules`, with those inside of them, as name@version. */
function listPackages(folder: string): string[] {
  const names = readdirSync(folder).flatMap((name) =>
    name.startsWith('@') ? readdirSync(join(folder, name)).map((inner) => join(name, inner)) : [name],
  )
  return names.flatMap((name) => {
    const entries = name.startsWith('.') ? [] : readdirSync(join(folder, name))
    if (!entries.includes('package.json')) return []
    const text = readFileSync(join(folder, name, 'package.json'), 'utf8')
    const { version } = JSON.parse(text) as { version: string }
    const inner = entries.includes('node_modules') ? listPackages(join(folder, name, 'node_modules')) : []
    return [`${name}@${version}`, ...inner]
  })
}

/** Compares the packages of a folder with the bill, in both directions. */
function compare(folder: string): void {
  const listed = new Set(createSbom().components.map(({ name, version }) => `${name}@${version}`))
  const present = new Set(listPackages(folder))
  const wrong = [...listed, ...present].filter((name) => !listed.has(name) || !present.has(name))
  if (wrong.length > 0) throw new Error(`only in the SBOM or only in ${folder}: ${wrong.join(', ')}`)
  process.stdout.write(`${present.size}, the same as in the SBOM\n`)
}

const { image } = parseArgs({ options: { image: { type: 'string' } } }).values
if (image === undefined) process.stdout.write(`${JSON.stringify(createSbom(), null, 2)}\n`)
else compare(image)

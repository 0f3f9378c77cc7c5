import type { Reporter, TestModule } from 'vitest/node'
import { folderVariable } from './canaries/files.ts'
import { searchFolder } from './canaries/search.ts'

/**
 * Searches what the run put out for the secrets that it issued; one that was found fails the run. Then prints
 * one line for machines: `N passed, N failed`, and `N skipped` if any were.
 */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 }
    for (const module of modules) {
      // A file that cannot be loaded has no tests that could fail, so it counts itself.
      counts.failed += module.errors().length
      for (const test of module.children.allTests()) counts[test.result().state] += 1
    }
    const leaks = searchCanaries()
    if (leaks > 0) {
      counts.failed += leaks
      process.once('exit', () => {
        process.exitCode = 1
      })
    }
    const skipped = counts.skipped + counts.pending
    const line = `${counts.passed} passed, ${counts.failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
    process.once('exit', () => process.stdout.write(`\n${line}\n`))
  }
}

/** Prints what was found, without the secrets; returns the number of places. */
function searchCanaries(): number {
  const folder = process.env[folderVariable]
  if (folder === undefined) return 0
  const since = performance.now()
  const { secrets, searched, leaks } = searchFolder(folder)
  const megabytes = (searched / 1e6).toFixed(1)
  const took = ((performance.now() - since) / 1000).toFixed(1)
  const lines = leaks.map(({ channel, kind, count }) => `  ${kind} in ${channel}, ${count} times`)
  const summary = `Canaries: ${leaks.length} places of ${secrets} secrets found in ${megabytes} MB of output, ${took} s`
  process.stdout.write(`\n${[summary, ...lines].join('\n')}\n`)
  return leaks.length
}

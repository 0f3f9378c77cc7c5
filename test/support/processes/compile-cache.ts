import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { compileCache, root } from './start-process.ts'

/**
 * Fills Node's compile cache, with which the processes that tests start need half of the time until they
 * listen. Those that tests kill leave nothing in it; this one imports the demo, the provider and the server,
 * and ends by itself: it refuses its option.
 */
export default function setUp(): void {
  spawnSync(process.execPath, [join(root, 'demo/main.ts'), '--unknown'], { env: compileCache })
}

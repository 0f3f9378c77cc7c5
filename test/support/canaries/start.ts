import { join } from 'node:path'
import { root } from '../processes/start-process.ts'
import { prepareFolder } from './files.ts'

/** Begins to remember what a test run issues and puts out; `closing-line.ts` searches it at the end. */
export default function setUp(): void {
  prepareFolder(join(root, 'test/output/canaries'))
}

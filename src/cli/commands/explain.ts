import { explain } from '../../explain/explain.ts'

/** Says what became of the sign-in with an id, from the log on standard input. */
export async function run(id: string): Promise<void> {
  if (process.stdin.isTTY) process.stderr.write('Reading the log from standard input.\n')
  const { found, text } = await explain(process.stdin.setEncoding('utf8'), id)
  process.stdout.write(text)
  process.exitCode = found ? 0 : 1
}

import { createClient } from '@redis/client'
import type { TestRedis } from './start-redis.ts'

/** The commands that servers send to a Redis. */
export interface CommandRecorder {
  /** Returns the commands that arrive while `work` runs, those inside scripts and of the background left out. */
  during(work: () => Promise<unknown>): Promise<string[]>
  close(): void
}

/** What every process sends by itself: heartbeats, and the search for revocations that are due. */
const background = /^"(ping|client|hello|script)"|"portico:(ping|revocations)"/i

/** Records by MONITOR. */
export async function recordCommands(redis: TestRedis): Promise<CommandRecorder> {
  const client = createClient({ url: redis.url })
  client.on('error', () => {})
  await client.connect()
  let lines: string[] = []
  let onMark = () => {}
  let marks = 0
  await client.monitor((line) => {
    const { by = '', command = '' } = /\[\d+ (?<by>\S+)\] (?<command>.*)$/.exec(String(line))?.groups ?? {}
    if (command === `"ECHO" "mark ${marks}"`) onMark()
    else if (by !== 'lua' && !background.test(command)) lines.push(command)
  })
  /** Resolves once every command that was sent before has been recorded. */
  async function mark(): Promise<void> {
    marks += 1
    const seen = new Promise<void>((done) => {
      onMark = done
    })
    await redis.command('ECHO', `mark ${marks}`)
    await seen
  }
  return {
    async during(work) {
      await mark()
      lines = []
      await work()
      await mark()
      return lines
    },
    close: () => client.destroy(),
  }
}

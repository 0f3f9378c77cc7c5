/**
 * A preload (`node --import`): the parent moves this process's clock by hand, so that whole servers and providers age
 * without anyone sleeping. Timers go on as they are.
 */
const RealDate = Date
let offset = 0

class MovedDate extends RealDate {
  constructor(...args: unknown[]) {
    if (args.length === 0) super(RealDate.now() + offset)
    else super(...(args as [number]))
  }

  static override now(): number {
    return RealDate.now() + offset
  }
}
globalThis.Date = MovedDate as DateConstructor

/** What the parent says: how many milliseconds pass. */
process.on('message', (message: { advance?: number }) => {
  if (message.advance === undefined) return
  offset += message.advance
  process.send?.({ advanced: offset })
})
process.channel?.unref()

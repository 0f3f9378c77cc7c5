/**
 * Lets the parent move this process's clock (loaded by `node --import`), so that tests of whole servers and
 * providers need not sleep. Timers are not affected.
 */
const RealDate = Date
/** Milliseconds; a process that is started after the others have travelled is where they are at once. */
let offset = Number(process.env.CLOCK_OFFSET ?? 0)

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

/** Moves the clock by the milliseconds that the parent sends. */
process.on('message', (message: { advance?: number }) => {
  if (message.advance === undefined) return
  offset += message.advance
  process.send?.({ advanced: offset })
})
process.channel?.unref()

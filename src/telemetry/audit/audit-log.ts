import { closeSync, openSync, writeSync } from 'node:fs'
import type { LogFields } from '../events.ts'
import type { EventSink } from '../fan-out.ts'
import type { LineWriter } from '../standard-output.ts'
import { type SubjectKind, toAuditRecord } from './record.ts'

/** The audit stream: one JSON line for each event that is audited, whatever the level of the log is. */
export interface AuditLog {
  sink: EventSink
  /** Opens the file again, after it was renamed (logrotate). */
  reopen(): void
}

interface AuditLogOptions {
  /** `stdout`, or the path of a file. */
  target: string
  /** Standard output, where the log goes as well. */
  standardOutput: LineWriter
  subject: SubjectKind
  /** Called for each record that could not be written. */
  onFailure(fields: LogFields): void
}

/**
 * Opens the audit stream.
 *
 * @throws Error if the file cannot be opened: a server whose acts leave no record must not start
 */
export function openAuditLog({ target, standardOutput, subject, onFailure }: AuditLogOptions): AuditLog {
  const output = target === 'stdout' ? { ...standardOutput, reopen() {} } : openFile(target)

  function attempt(lost: string, act: () => void): void {
    try {
      act()
    } catch (error) {
      onFailure({ lost, reason: toReason(error) })
    }
  }

  return {
    sink(event, fields = {}) {
      const record = toAuditRecord(event, fields, subject)
      if (record !== undefined) attempt(event, () => output.write(`${JSON.stringify(record)}\n`))
    },
    reopen: () => attempt('none', output.reopen),
  }
}

/**
 * A file to whose end lines go, each by one write that is done when it returns: a process that is killed has
 * lost no record, and the lines of several processes do not mix. There are few: some for each login.
 */
function openFile(path: string) {
  let file = open(path)
  return {
    write(line: string) {
      const bytes = Buffer.from(line)
      for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written)
    },
    reopen() {
      // The old file stays in use if the new one cannot be opened.
      const opened = open(path)
      closeSync(file)
      file = opened
    },
  }
}

function open(path: string): number {
  try {
    return openSync(path, 'a', 0o640)
  } catch (cause) {
    throw new Error(`AUDIT_LOG cannot be opened (${toReason(cause)})`, { cause })
  }
}

/** A code of the operating system such as ENOSPC, or the sentence of `open`. */
const toReason = (error: unknown): string => {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error ? String(error.code) : error.message
}

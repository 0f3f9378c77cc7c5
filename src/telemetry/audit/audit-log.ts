import { closeSync, openSync, writeSync } from 'node:fs'
import type { Log } from '../events.ts'
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
  /** Says what could not be written, and that the file was opened again. */
  log: Log
}

/**
 * Opens the audit stream.
 *
 * @throws Error if the file cannot be opened: a server whose acts leave no record must not start
 */
export function openAuditLog({ target, standardOutput, subject, log }: AuditLogOptions): AuditLog {
  const output = target === 'stdout' ? { ...standardOutput, reopen() {} } : openFile(target)

  return {
    sink(event, fields = {}) {
      const record = toAuditRecord(event, fields, subject)
      if (record === undefined) return
      try {
        output.write(`${JSON.stringify(record)}\n`)
      } catch (error) {
        log('audit_failed', { lost: event, reason: toReason(error) })
      }
    },

    reopen() {
      try {
        output.reopen()
        log('audit_reopened')
      } catch (error) {
        log('audit_failed', { reason: toReason(error) })
      }
    },
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

import type { Finding, Status } from './finding.ts'

/** How many findings there are of each status. */
export function countFindings(findings: readonly Finding[]): Record<Status, number> {
  const count = (status: Status) => findings.filter((finding) => finding.status === status).length
  return { pass: count('pass'), warn: count('warn'), fail: count('fail'), unknown: count('unknown') }
}

/** The findings as a table for people: status, subject, what was found, and below it what to do. */
export function renderTable(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map((finding) => toSubject(finding).length))
  const indent = ' '.repeat(width + 8)
  const rows = findings.map((finding) => {
    const { status, message, fix } = finding
    const row = `${labels[status].padEnd(4)}  ${toSubject(finding).padEnd(width)}  ${toLine(message)}`
    return fix === undefined ? row : `${row}\n${indent}→ ${toLine(fix)}`
  })
  const counts = countFindings(findings)
  return `${rows.join('\n')}\n\n${statuses.map((status) => `${counts[status]} ${status}`).join(', ')}\n`
}

/** The findings as JSON, for pipelines. */
export function renderJson(findings: readonly Finding[]): string {
  const counts = countFindings(findings)
  return `${JSON.stringify({ healthy: counts.fail === 0, counts, findings }, null, 2)}\n`
}

const labels: Record<Status, string> = { pass: 'pass', warn: 'WARN', fail: 'FAIL', unknown: '?' }
const statuses: readonly Status[] = ['pass', 'warn', 'fail', 'unknown']

/** Removes control characters: a terminal would obey those that a provider wrote. */
const toLine = (text: string) => text.replace(/\p{Cc}+/gu, ' ')

const toSubject = ({ provider, check }: Finding) => (provider === undefined ? check : `${provider}: ${check}`)

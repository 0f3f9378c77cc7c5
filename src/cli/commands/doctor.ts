import { systemClock } from '../../clock.ts'
import { loadEnvironment } from '../../config/environment.ts'
import { examine } from '../../doctor/doctor.ts'
import { countFindings, renderJson, renderTable } from '../../doctor/report.ts'

/** Examines the configuration, and prints what it finds. */
export async function run(_argument: string, options: ReadonlySet<string>): Promise<void> {
  const findings = await examine(loadEnvironment(), systemClock)
  process.stdout.write(options.has('json') ? renderJson(findings) : renderTable(findings))
  process.exitCode = countFindings(findings).fail === 0 ? 0 : 1
}

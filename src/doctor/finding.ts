/** The result of one check; `unknown`: it cannot be found out from here. */
export type Status = 'pass' | 'warn' | 'fail' | 'unknown'

/** What one check found. It contains no secret. */
export interface Finding {
  /** What was checked, such as `discovery`. */
  check: string
  status: Status
  /** What was found. */
  message: string
  /** What to do about it. */
  fix?: string | undefined
  /** The provider it is about, where there are several. */
  provider?: string | undefined
}

export const pass = (check: string, message: string): Finding => ({ check, status: 'pass', message })
export const warn = (check: string, message: string, fix: string): Finding => ({
  check,
  status: 'warn',
  message,
  fix,
})
export const fail = (check: string, message: string, fix: string): Finding => ({
  check,
  status: 'fail',
  message,
  fix,
})
/** `way` is how it could be found out. */
export const unknown = (check: string, message: string, way: string): Finding => ({
  check,
  status: 'unknown',
  message,
  fix: way,
})

/** How one check came out; `unknown` is what cannot be found out from here. */
export type Status = 'pass' | 'warn' | 'fail' | 'unknown'

/** What one check found. Nothing of it is secret. */
export interface Finding {
  /** What was looked at, such as `discovery`. */
  check: string
  status: Status
  /** What is so. */
  says: string
  /** What to do about it. */
  fix?: string
  /** The provider it is about, where there are several. */
  provider?: string
}

export const pass = (check: string, says: string): Finding => ({ check, status: 'pass', says })
export const warn = (check: string, says: string, fix: string): Finding => ({
  check,
  status: 'warn',
  says,
  fix,
})
export const fail = (check: string, says: string, fix: string): Finding => ({
  check,
  status: 'fail',
  says,
  fix,
})
/** `way` is how it could be found out. */
export const unknown = (check: string, says: string, way: string): Finding => ({
  check,
  status: 'unknown',
  says,
  fix: way,
})

import type { Parser } from './values/parsers.ts'

/**
 * One setting. docs/configuration.md and `.env.example` list the same names and defaults; a test compares
 * them.
 */
export interface Setting<T> {
  parse: Parser<T>
  /** A value that would be accepted, shown with a problem. */
  example: string
  /** The text that is parsed where the variable is absent or empty. */
  fallback?: string
  required?: true
  /** The value may rightly look like a placeholder: `{user_id}`, which its parser checks, or any text. */
  isTemplate?: true
  /** The value is never printed, and may also be in a mounted file that `X_FILE` names. */
  secret?: true
  /** Other programs read the variable in small letters as well, and prefer it. */
  alsoInSmallLetters?: true
}

/** Describes a setting, so that the type of its value follows from its parser. */
export const setting = <T, const S extends Omit<Setting<T>, 'parse'>>(
  parse: Parser<T>,
  rest: S,
): { parse: Parser<T> } & S => ({
  parse,
  ...rest,
})

import { config as loadDotenv } from 'dotenv'
import type { Environment } from './read-settings.ts'

/** The process's environment; outside production, a `.env` file fills in what it leaves out. */
export function readEnvironment(): Environment {
  if (process.env.NODE_ENV !== 'production') loadDotenv({ quiet: true })
  return process.env
}

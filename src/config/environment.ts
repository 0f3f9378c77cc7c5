import { existsSync } from 'node:fs'
import { config as loadDotenv } from 'dotenv'
import type { Environment } from './read-settings.ts'

/** As `loadEnvironment`, for a host app: the process keeps the environment that it has. */
export function readEnvironment(): Environment {
  const env = { ...process.env }
  if (env.NODE_ENV !== 'production') loadDotenv({ quiet: true, processEnv: env as Record<string, string> })
  return env
}

/** The environment of the process; outside production, a `.env` file adds the variables that are not set. */
export function loadEnvironment(): Environment {
  if (process.env.NODE_ENV !== 'production') loadDotenv({ quiet: true })
  return process.env
}

/** Whether there is a `.env` file that is not read, because this is production. */
export const hasUnreadFile = (): boolean => process.env.NODE_ENV === 'production' && existsSync('.env')

import { watchHttp } from './http.ts'

/** Loaded first in each process of a test run (`--import`, and vitest's setup file). */
watchHttp()

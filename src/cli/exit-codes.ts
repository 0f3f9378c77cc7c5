/** EX_USAGE and EX_CONFIG of sysexits.h: a process manager that knows them does not try again. */
export const exitCodes = { usage: 64, config: 78 } as const

import '../../../src/main.ts'

/**
 * The server, with a defect: at SIGUSR2 something fails that nothing waits for, as PLANTED_DEFECT says. The
 * text of the error stands for a secret.
 */
process.on('SIGUSR2', () => {
  const error = new Error('planted-secret')
  if (process.env.PLANTED_DEFECT === 'rejection') void Promise.reject(error)
  else setImmediate(() => throwIt(error))
})

function throwIt(error: Error): never {
  throw error
}

import { onTestFinished } from 'vitest'
import { freePort } from '../network/http-server.ts'
import { testSecret } from '../portico.ts'
import { startProcess, type TestProcess } from './start-process.ts'

const secret = testSecret()

/** Starts a server as a process, on a free port if `env` names none. At the end of the test, it is killed. */
export async function launchServer(
  { issuer, redisUrl }: { issuer: string; redisUrl: string },
  env: Record<string, string>,
  file = 'src/main.ts',
): Promise<{ server: TestProcess; url: string }> {
  const port = env.PORT ?? String(await freePort())
  const url = `http://127.0.0.1:${port}`
  const server = startProcess(file, ['serve'], {
    PUBLIC_URL: url,
    HOST: '127.0.0.1',
    PORT: port,
    BFF_SECRETS: secret,
    OIDC_ISSUER: issuer,
    OIDC_CLIENT_ID: 'portico-test',
    OIDC_CLIENT_SECRET: 'test-client-secret',
    REDIS_URL: redisUrl,
    ...env,
  })
  onTestFinished(async () => void (await server.stop('SIGKILL')))
  return { server, url }
}

/** The lines of a server's log so far. */
export const readLog = <Line extends object>({ output }: TestProcess): Line[] =>
  output.text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line)

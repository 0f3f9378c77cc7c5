import { join } from 'node:path'
import { type Plugin, rolldown } from 'rolldown'

/** Makes one script of an app's source and Portico's client, as the build of an app does. */
export async function bundleApp(input: string, plugins: Plugin[] = []): Promise<string> {
  const build = await rolldown({
    input,
    plugins,
    platform: 'browser',
    resolve: { alias: { '@portico-bff/client': join(import.meta.dirname, '../client/portico.ts') } },
  })
  const { output } = await build.generate({ codeSplitting: false })
  await build.close()
  return output[0].code
}

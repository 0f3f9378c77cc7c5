import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { root } from '../processes/start-process.ts'
import type { ProviderProfile } from './profiles/profile.ts'

const folder = join(root, 'docs/providers')

/** The names of the pages of docs/providers/, each about one provider. */
export const pages = readdirSync(folder)
  .filter((file) => file.endsWith('.md') && file !== 'README.md')
  .map((file) => file.slice(0, -'.md'.length))

export const readPage = (page: string): string => readFileSync(join(folder, `${page}.md`), 'utf8')

/** The text of each section of a page, by its heading. */
export function readSections(page: string): Map<string, string> {
  const [, ...sections] = readPage(page).split(/^## /m)
  return new Map(
    sections.map((text) => {
      const [heading = ''] = text.split('\n')
      return [heading, text.slice(heading.length)]
    }),
  )
}

/** The blocks of settings of a page, as its reader would copy them. */
export function readSettingBlocks(page: string): Record<string, string>[] {
  const text = readSections(page).get('Settings') ?? ''
  return [...text.matchAll(/^```\w*\n(.*?)^```$/gms)].map(
    ([, block = '']) => parseEnv(block) as Record<string, string>,
  )
}

/** What the reader of every page fills in. */
const credentials: Record<string, string> = {
  OIDC_CLIENT_ID: 'portico-test',
  OIDC_CLIENT_SECRET: 'test-client-secret',
}

/** The settings of a profile: those of its page, filled in. */
export function toProfileSettings({ page, block = 0, placeholders = {}, settings }: ProviderProfile) {
  const ofPage = readSettingBlocks(page)[block] ?? {}
  const fillIn = (name: string, value: string) =>
    value === '...'
      ? (credentials[name] ?? value)
      : value.replaceAll(/\{([^}]+)\}/g, (text, word: string) => placeholders[word] ?? text)
  const filled = Object.entries(ofPage).map(([name, value]) => [name, fillIn(name, value)])
  return { ...(Object.fromEntries(filled) as Record<string, string>), ...settings }
}

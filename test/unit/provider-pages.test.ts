import { describe, expect, test } from 'vitest'
import { readConfig } from '../../src/config/config.ts'
import type { Setting } from '../../src/config/setting.ts'
import { settings } from '../../src/config/settings.ts'
import { publicUrl, testSecret } from '../support/portico.ts'
import { loadProfiles } from '../support/providers/profiled-provider.ts'
import {
  pages,
  readPage,
  readSections,
  readSettingBlocks,
  toProfileSettings,
} from '../support/providers/provider-pages.ts'

const profiles = await loadProfiles()

test('each page of docs/providers/ has a profile, and each profile a page', () => {
  expect([...new Set(profiles.map(({ page }) => page))].sort()).toEqual([...pages].sort())
})

describe.each(pages)('docs/providers/%s.md', (page) => {
  const ofPage = profiles.filter((profile) => profile.page === page)

  test('has the sections that every page has, each with text, in 110 lines', () => {
    const sections = readSections(page)
    expect([...sections.keys()]).toEqual([
      'At the provider',
      'Settings',
      'Scopes and claims',
      'Signing out',
      'Habits',
      'Sources',
    ])
    for (const [heading, text] of sections) expect([heading, text.trim()]).not.toEqual([heading, ''])
    expect(sections.get('Sources')).toMatch(/https:\/\//)
    expect(readPage(page).split('\n').length).toBeLessThanOrEqual(111)
  })

  test('says what its settings are beside', () => {
    expect(readSections(page).get('Settings')).toMatch(
      /\[`PUBLIC_URL` and `BFF_SECRETS`\]\(\.\.\/configuration\.md#needed\)/,
    )
  })

  test('has a block of settings for each profile, and no other', () => {
    const used = new Set(ofPage.map(({ block = 0 }) => block))
    expect([...used].sort()).toEqual([...readSettingBlocks(page).keys()])
  })

  test('has only settings that exist, and that differ from the default', () => {
    const known = settings as Record<string, Setting<unknown>>
    for (const block of readSettingBlocks(page))
      for (const [name, value] of Object.entries(block)) {
        const setting = known[name.replace(/_FILE$/, '')]
        expect([name, setting]).not.toEqual([name, undefined])
        expect([name, value]).not.toEqual([name, setting?.fallback])
      }
  })

  test.for(ofPage)('has settings that are accepted, filled in: $name', (profile) => {
    const server = { PUBLIC_URL: publicUrl, BFF_SECRETS: testSecret(), ALLOW_MEMORY_STORE: 'true' }
    const values = toProfileSettings(profile)
    expect(JSON.stringify(values)).not.toMatch(/\.\.\.|\{[a-z]/i)
    const { providers } = readConfig({ ...server, ...values })
    expect(providers).toHaveLength(1)
  })
})

test('no two profiles have the same name', () => {
  const names = profiles.map(({ name }) => name)
  expect([...new Set(names)]).toEqual(names)
})

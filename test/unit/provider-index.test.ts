import { describe, expect, test } from 'vitest'
import { loadProfiles } from '../support/providers/profiled-provider.ts'
import { pages, readPage } from '../support/providers/provider-pages.ts'

const profiles = await loadProfiles()

/** A row of the table of docs/providers/README.md. */
const toRow = (cells: string) => {
  const [link = '', , logout, endedBy = ''] = cells.split('|').map((cell) => cell.trim())
  const [, name = '', page = ''] = /^\[(.+?)\]\((.+?)\.md\)/.exec(link) ?? []
  return { name, page, logout, endedBy: endedBy.split(' or ').filter((way) => way !== '') }
}

describe('the table of docs/providers/README.md', () => {
  const [, head = ''] = /^\| page \|.+\n\|[-|]+\|\n((?:\|.+\n)+)/m.exec(readPage('README')) ?? []
  const rows = head
    .trim()
    .split('\n')
    .map((line) => toRow(line.slice(1)))

  test('has each page once, in the order of the names', () => {
    expect(rows.map(({ page }) => page).sort()).toEqual([...pages].sort())
    const names = rows.map(({ name }) => name.toLowerCase())
    expect(names).toEqual([...names].sort())
  })

  test.each(profiles)('says how users of this one are signed out: $name', ({ page, expected }) => {
    const row = rows.find((candidate) => candidate.page === page)
    expect(row?.logout).toBe(expected.logout === 'returns' ? 'yes' : 'no')
    // The pages say more, such as what a front channel names.
    const ways = expected.endedBy.map((way) => way.split(',')[0])
    expect(row?.endedBy.map((way) => way.toLowerCase())).toEqual(ways)
  })
})

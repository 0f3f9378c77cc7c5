import axe from 'axe-core'
import type { Page } from 'playwright-core'

/** What is wrong with a page for people who need contrast, names or a keyboard. */
export interface Flaws {
  /** The violations of axe's rules, and where axe could not compute a contrast. */
  axe: string[]
  /** The buttons whose border is hard to see, with its contrast (WCAG 2.2, 1.4.11: 3 at least). */
  borders: string[]
}

/** Returns the flaws of a page, in light and in dark mode. */
export async function findFlaws(page: Page): Promise<Record<'light' | 'dark', Flaws>> {
  const light = await findFlawsIn(page, 'light')
  return { light, dark: await findFlawsIn(page, 'dark') }
}

export const noFlaws = { light: { axe: [], borders: [] }, dark: { axe: [], borders: [] } }

async function findFlawsIn(page: Page, colorScheme: 'light' | 'dark'): Promise<Flaws> {
  await page.emulateMedia({ colorScheme })
  await page.evaluate(axe.source)
  const { violations, incomplete } = await page.evaluate<axe.AxeResults>('axe.run()')
  const unknown = incomplete.filter(({ id }) => id === 'color-contrast')
  const borders = await page.evaluate<[name: string, border: string, around: string][]>(
    `[...document.querySelectorAll('button')]
      .filter((button) => button.checkVisibility())
      .map((button) => [
        button.textContent,
        getComputedStyle(button).borderTopColor,
        getComputedStyle(document.body).backgroundColor,
      ])`,
  )
  return {
    axe: [...violations, ...unknown].flatMap(({ id, nodes }) =>
      nodes.map(({ target }) => `${id}: ${String(target)}`),
    ),
    borders: borders.flatMap(([name, border, around]) => {
      const contrast = toContrast(border, around)
      return contrast >= 3 ? [] : [`${name}: ${contrast.toFixed(1)}`]
    }),
  }
}

/** The contrast of two colors such as `rgb(102, 113, 140)` (WCAG 2.2, "contrast ratio"). */
function toContrast(one: string, other: string): number {
  const [lighter = 0, darker = 0] = [toLuminance(one), toLuminance(other)].sort((a, b) => b - a)
  return (lighter + 0.05) / (darker + 0.05)
}

function toLuminance(color: string): number {
  const [red = 0, green = 0, blue = 0] = (color.match(/[\d.]+/g) ?? []).map((text) => {
    const channel = Number(text) / 255
    return channel <= 0.040_45 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

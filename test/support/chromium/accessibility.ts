import axe from 'axe-core'
import type { Page } from 'playwright-core'

/** What is wrong with a page for people who need contrast, names or a keyboard. */
export interface Flaws {
  /** What axe finds, and the texts whose contrast it could not compute. */
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
  const borders = await page.evaluate<string[]>(`(() => {
    ${contrastFunctions}
    return [...document.querySelectorAll('button')]
      .filter((button) => button.checkVisibility())
      .map((button) => [button.textContent, contrast(getComputedStyle(button).borderTopColor, behind(button))])
      .filter(([, ratio]) => !(ratio >= 3))
      .map(([name, ratio]) => name + ': ' + ratio.toFixed(1))
  })()`)
  return { axe: await runAxe(page), borders }
}

/** What axe finds, and the texts whose contrast it could not compute. */
export async function runAxe(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  return page.evaluate<string[]>(`axe.run().then(({ violations, incomplete }) =>
    [...violations, ...incomplete.filter(({ id }) => id === 'color-contrast')]
      .map(({ id, nodes }) => id + ': ' + nodes.map(({ target }) => target.join(' ')).join(', ')))`)
}

/**
 * For a script in a page: `contrast(one, other)` of two computed colors (WCAG 2.2, "contrast ratio"),
 * `behind(element)`, the color around it, and `isClear(color)`.
 */
export const contrastFunctions = `
  const read = (color) => color.match(/[\\d.]+/g).map(Number)
  const luminance = (color) => {
    const [r, g, b] = read(color).slice(0, 3).map((value) =>
      value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const contrast = (one, two) => {
    const [light, dark] = [luminance(one), luminance(two)].sort((a, b) => b - a)
    return (light + 0.05) / (dark + 0.05)
  }
  const isClear = (color) => read(color)[3] === 0
  const behind = (element) => {
    for (let each = element.parentElement; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor
      if (!isClear(color)) return color
    }
    return 'rgb(255, 255, 255)'
  }`

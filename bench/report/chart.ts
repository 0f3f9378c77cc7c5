import type { OperationResult } from '../compare.ts'

const width = 920
const columns = 2
const columnWidth = width / columns
const labelWidth = 262
const barWidth = 124
const rowHeight = 20
const titleHeight = 34
const margin = 20
const headHeight = 62

/** Readable on light and on dark pages: the picture has a background of its own. */
const style = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .background { fill: #ffffff }
  .title { font-size: 14px; font-weight: 600 }
  .head { font-size: 16px; font-weight: 600 }
  .note { fill: #59636e }
  .this { fill: #1a7f37 }
  .peer { fill: #8c959f }
  .spread { stroke: #1f2328; stroke-width: 1 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .background { fill: #0d1117 }
    .note { fill: #9198a1 }
    .this { fill: #3fb950 }
    .peer { fill: #656c76 }
    .spread { stroke: #f0f6fc }
  }`

/** The servers in one operation. */
export interface Panel {
  title: string
  bars: readonly OperationResult[]
}

/** Draws a bar for each server in each operation, with its spread. */
export function toChart(panels: readonly Panel[], note: string): string {
  const longest = Math.max(...panels.map(({ bars }) => bars.length))
  const panelHeight = titleHeight + longest * rowHeight + 14
  const height = headHeight + Math.ceil(panels.length / columns) * panelHeight + margin
  const drawn = panels.map(({ title, bars }, index) =>
    drawPanel(title, bars, {
      x: margin + (index % columns) * columnWidth,
      y: headHeight + Math.floor(index / columns) * panelHeight,
    }),
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">
<title>Work for the same CPU time, by server: ${panels.map(({ title }) => title).join(', ')}</title>
<style>${style}
</style>
<rect class="background" width="${width}" height="${height}" rx="6"/>
<text class="head" x="${margin}" y="30">Work done in the same CPU time: longer is faster</text>
<text class="note" x="${margin}" y="50">1.0 = an empty answer of Express. ${toXml(note)}</text>
${drawn.join('\n')}
</svg>
`
}

function drawPanel(
  title: string,
  bars: readonly OperationResult[],
  { x, y }: { x: number; y: number },
): string {
  const scale = barWidth / Math.max(...bars.map(({ share }) => share.high))
  const start = x + labelWidth
  const rows = bars.map(({ server, kind, share: { median, low, high } }, index) => {
    const top = y + titleHeight + index * rowHeight
    const at = (value: number) => (start + value * scale).toFixed(1)
    const middle = top + 7
    return [
      `<text x="${x}" y="${top + 11}">${toXml(server)}</text>`,
      `<rect class="${kind}" x="${start}" y="${top}" width="${(median * scale).toFixed(1)}" height="14" rx="2"/>`,
      `<line class="spread" x1="${at(low)}" x2="${at(high)}" y1="${middle}" y2="${middle}"/>`,
      `<text x="${(Number(at(high)) + 6).toFixed(1)}" y="${top + 11}">${median.toFixed(3)}</text>`,
    ].join('\n')
  })
  return [`<text class="title" x="${x}" y="${y + 22}">${title}</text>`, ...rows].join('\n')
}

const toXml = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

/** What a scrape has answered. */
export interface Scraped {
  contentType: string
  text: string
  /** The value of each series, by its name and labels as they are written. */
  series: Map<string, number>
}

/** Scrapes the metrics, by default as the text format of Prometheus. */
export async function scrape(operatorUrl: string, accept = 'text/plain'): Promise<Scraped> {
  const response = await fetch(`${operatorUrl}/metrics`, { headers: { accept } })
  if (response.status !== 200) throw new Error(`a scrape was answered with ${response.status}`)
  const text = await response.text()
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const series = lines.map((line): [string, number] => {
    const [, name = '', value] = /^([a-z_0-9]+(?:\{.*?\})?) (\S+)/i.exec(line) ?? []
    return [name, Number(value)]
  })
  return { contentType: response.headers.get('content-type') ?? '', text, series: new Map(series) }
}

/** The series of one metric, as its labels and values. */
export function seriesOf({ series }: Scraped, metric: string): Record<string, number> {
  const own = [...series].filter(([name]) => name === metric || name.startsWith(`${metric}{`))
  return Object.fromEntries(own.map(([name, value]) => [name.slice(metric.length), value]))
}

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../network/http-server.ts'
import { ensurePrometheus } from './install.ts'

/** A real Prometheus that scrapes and evaluates every second. */
export interface TestPrometheus {
  /** The series that an expression has now. */
  query(expression: string): Promise<Series[]>
  /** The names of the alerts that fire. */
  firing(): Promise<string[]>
  close(): Promise<void>
}

/** A series with its value now. */
export interface Series {
  metric: Record<string, string>
  value: [time: number, value: string]
}

interface PrometheusOptions {
  /** Where it scrapes `/metrics`, such as `127.0.0.1:9464`. */
  targets: readonly string[]
  /** The content of its file of rules. */
  rules: string
}

export async function startPrometheus({ targets, rules }: PrometheusOptions): Promise<TestPrometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'portico-prometheus-'))
  const configuration = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: ['rules.yaml'],
    scrape_configs: [{ job_name: 'portico', static_configs: [{ targets }] }],
  }
  // YAML is a superset of JSON.
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(configuration))
  writeFileSync(join(folder, 'rules.yaml'), rules)
  const url = `http://127.0.0.1:${await freePort()}`
  const child = spawn(
    ensurePrometheus().prometheus,
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${new URL(url).host}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let output = ''
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const exited = new Promise<void>((done) => child.once('close', () => done()))

  const ask = async <T>(path: string): Promise<T> => {
    const response = await fetch(url + path)
    const { status, data, error } = (await response.json()) as { status: string; data: T; error?: string }
    if (status !== 'success') throw new Error(`${decodeURIComponent(path)}: ${error}`)
    return data
  }
  const isReady = () =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    )
  while (!(await isReady())) {
    if (child.exitCode !== null) throw new Error(`Prometheus ended:\n${output}`)
    await delay(50)
  }

  return {
    query: async (expression) =>
      (await ask<{ result: Series[] }>(`/api/v1/query?query=${encodeURIComponent(expression)}`)).result,
    async firing() {
      const { alerts } = await ask<{ alerts: { state: string; labels: { alertname: string } }[] }>(
        '/api/v1/alerts',
      )
      const names = alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels.alertname)
      return [...new Set(names)].sort()
    },
    async close() {
      child.kill('SIGKILL')
      await exited
      rmSync(folder, { recursive: true })
    },
  }
}

import type { RequestHandler } from 'express'
import type { Metrics } from '../../telemetry/metrics/metrics.ts'

/** GET /metrics: the metrics for Prometheus, as OpenMetrics where the request accepts it. */
export function createMetricsHandler(metrics: Pick<Metrics, 'scrape'>): RequestHandler {
  return async (req, res) => {
    const { contentType, body } = await metrics.scrape(req.get('accept') ?? '')
    res.setHeader('Content-Type', contentType)
    res.end(body)
  }
}

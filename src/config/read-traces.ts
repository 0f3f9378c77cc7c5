import type { OpenTelemetryVariable, Problem } from './config-error.ts'
import type { Environment } from './read-settings.ts'

/** Where the spans of traces are sent. */
export interface TracesConfig {
  /** By OTLP over HTTP, in protobuf. */
  url: string
}

/**
 * Reads whether there are traces, and where they go, from the variables of the OpenTelemetry specification.
 * Its SDK reads the others from the environment itself, and takes a default where one is wrong: what would
 * change the meaning of traces is checked here.
 */
export function readTraces(env: Environment): { traces: TracesConfig | undefined; problems: Problem[] } {
  const isOff = env.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || env.OTEL_TRACES_EXPORTER === 'none'
  const given = isOff ? undefined : endpoints.find((name) => env[name])
  if (given === undefined) return { traces: undefined, problems: [] }
  const url = toTracesUrl(given, env[given] ?? '')
  const problems = checks.flatMap((check) => check(env) ?? [])
  if (url === undefined) {
    const problem = 'must be an http or https URL'
    return {
      traces: undefined,
      problems: [{ variable: given, problem, example: toLine(given) }, ...problems],
    }
  }
  return { traces: { url }, problems }
}

/** By precedence. */
const endpoints = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'] as const

const toLine = (name: (typeof endpoints)[number]) =>
  `${name}=http://collector:4318${name === 'OTEL_EXPORTER_OTLP_ENDPOINT' ? '' : '/v1/traces'}`

/** The address of the receiver: the endpoint for traces is complete, and the one for all signals its base. */
function toTracesUrl(name: (typeof endpoints)[number], text: string): string | undefined {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined
  if (name === 'OTEL_EXPORTER_OTLP_ENDPOINT') url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/traces`
  return url.href
}

const samplers = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
]

const checks: readonly ((env: Environment) => Problem | undefined)[] = [
  ({ OTEL_TRACES_EXPORTER: exporter }) =>
    exporter && exporter !== 'otlp'
      ? toProblem('OTEL_TRACES_EXPORTER', 'must be otlp or none: there is no other exporter', 'otlp')
      : undefined,
  (env) => {
    const name = protocols.find((one) => env[one])
    return name !== undefined && env[name] !== 'http/protobuf'
      ? toProblem(name, 'must be http/protobuf: spans are sent in no other way', 'http/protobuf')
      : undefined
  },
  ({ OTEL_TRACES_SAMPLER: sampler }) =>
    sampler && !samplers.includes(sampler)
      ? toProblem('OTEL_TRACES_SAMPLER', `must be one of ${samplers.join(', ')}`, 'parentbased_traceidratio')
      : undefined,
  ({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: ratio }) =>
    sampler?.endsWith('traceidratio') && !isRatio(ratio)
      ? toProblem('OTEL_TRACES_SAMPLER_ARG', 'must be a number from 0 to 1: the part that is recorded', '0.1')
      : undefined,
]

const protocols = ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'] as const

/** An absent ratio is 1. */
const isRatio = (text: string | undefined) => !text || (Number(text) >= 0 && Number(text) <= 1)

const toProblem = (variable: OpenTelemetryVariable, problem: string, value: string): Problem => ({
  variable,
  problem,
  example: `${variable}=${value}`,
})

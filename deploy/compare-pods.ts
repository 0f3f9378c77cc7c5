import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { parseAllDocuments } from 'yaml'

/**
 * Compares rendered manifests, for `verify-deploy.sh`: `node deploy/compare-pods.ts a.yaml b.yaml ...`. Each must have
 * one Deployment whose pods are hardened, and get the time that they need to end; all must have the same probes.
 */

interface Manifest {
  kind: string
  data?: Record<string, string>
  spec: { template: { spec: Pod }; ports?: { targetPort: string }[] }
  metadata: { name: string }
}
interface Pod {
  terminationGracePeriodSeconds: number
  automountServiceAccountToken: boolean
  enableServiceLinks: boolean
  securityContext: object
  containers: { securityContext: object; [probe: string]: object }[]
}

function read(file: string) {
  const manifests = parseAllDocuments(readFileSync(file, 'utf8')).map(
    (document) => document.toJS() as Manifest,
  )
  const pod = manifests.find(({ kind }) => kind === 'Deployment')?.spec.template.spec
  const settings = manifests.find(({ data }) => data?.SHUTDOWN_DRAIN !== undefined)?.data
  const [container] = pod?.containers ?? []
  if (pod === undefined || container === undefined || settings === undefined)
    throw new Error(`${file} has no Deployment, or no settings`)
  const { startupProbe, readinessProbe, livenessProbe } = container
  const publicServices = manifests.filter(
    ({ kind, metadata }) => kind === 'Service' && !metadata.name.endsWith('-operator'),
  )
  return {
    probes: { startupProbe, readinessProbe, livenessProbe },
    timeToEnd: pod.terminationGracePeriodSeconds - Number.parseInt(settings.SHUTDOWN_DRAIN ?? '', 10),
    publicPorts: publicServices.flatMap(({ spec }) => spec.ports?.map(({ targetPort }) => targetPort)),
    serviceAccountToken: pod.automountServiceAccountToken,
    serviceLinks: pod.enableServiceLinks,
    pod: pod.securityContext,
    container: container.securityContext,
  }
}

const user = 65_532
const hardened = {
  timeToEnd: 20,
  publicPorts: ['http'],
  serviceAccountToken: false,
  serviceLinks: false,
  pod: {
    runAsNonRoot: true,
    runAsUser: user,
    runAsGroup: user,
    fsGroup: user,
    seccompProfile: { type: 'RuntimeDefault' },
  },
  container: {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  },
}

const files = process.argv.slice(2)
const [first = '', ...others] = files
const { probes } = read(first)
for (const file of [first, ...others]) {
  const found = read(file)
  if (!isDeepStrictEqual(found, { ...hardened, probes })) {
    process.stderr.write(`${file} differs:\n${JSON.stringify(found, null, 2)}\n`)
    process.exitCode = 1
  }
}

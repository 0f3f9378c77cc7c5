import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { toShutdownDrain } from '../../src/config/cross-checks.ts'
import type { Setting } from '../../src/config/setting.ts'
import { settings } from '../../src/config/settings.ts'
import { duration } from '../../src/config/values/duration-parsers.ts'
import { root } from '../support/processes/start-process.ts'

/** What deploy/ says about Portico is true of the code. `npm run verify:deploy` checks the rest with other tools. */

const read = (file: string) => readFileSync(join(root, file), 'utf8')
const chart = 'deploy/helm/portico'
const templates = readdirSync(join(root, chart, 'templates')).map((name) => `${chart}/templates/${name}`)
const inTemplates = templates.map(read).join('\n')
const values = parse(read(`${chart}/values.yaml`)) as Record<string, unknown>
const schema = JSON.parse(read(`${chart}/values.schema.json`)) as {
  properties: Record<string, { properties?: Record<string, { items: { enum: string[] } }> }> & {
    settings: { propertyNames: { not: { enum: string[] } } }
  }
}
const dockerfile = read('Dockerfile')
const unit = read('deploy/systemd/portico.service')
const compose = parse(read('compose.yaml')) as {
  services: { portico: { environment: Record<string, string>; stop_grace_period: string } }
}
interface Manifest {
  kind: string
  spec: { template: { spec: { terminationGracePeriodSeconds: number } } }
}
const kustomize = Object.fromEntries(
  ['deployment', 'services', 'availability', 'networkpolicy'].map((name) => [
    name,
    parseAllDocuments(read(`deploy/kustomize/${name}.yaml`)).map((document) => document.toJS() as Manifest),
  ]),
)
const packageJson = JSON.parse(read('package.json')) as {
  version: string
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
}

const known = new Map(Object.entries(settings as Record<string, Setting<unknown>>))
const secrets = [...known].filter(([, { secret }]) => secret).map(([name]) => name)

/** The lines `NAME=value` of a text. */
const assignments = (text: string) =>
  [...text.matchAll(/(?:^|=| )([A-Z][A-Z0-9_]+)=(\S*)/gm)].map(
    ([, name = '', value = '']): [string, string] => [name, value],
  )

/** Every variable that deploy/ and compose.yaml set, with its value where there is one to see. */
const variables: Record<string, [string, string | undefined][]> = {
  'compose.yaml': Object.entries(compose.services.portico.environment),
  'kustomize/portico.env': assignments(read('deploy/kustomize/portico.env')),
  'portico.service': assignments(unit.replaceAll(/^#.*$/gm, '')).filter(([name]) => name !== 'NODE_ENV'),
  'the chart': [
    ...[...read(`${chart}/templates/configmap.yaml`).matchAll(/^ {2}([A-Z_]+):/gm)],
    ...[...read(`${chart}/values.yaml`).matchAll(/^# {2}([A-Z_]+):/gm)],
  ].map(([, name = '']) => [name, undefined]),
  ...Object.fromEntries(
    ['minimal', 'everything'].map((name) => {
      const given = parse(read(`${chart}/ci/${name}-values.yaml`)) as { settings: Record<string, string> }
      return [`ci/${name}-values.yaml`, Object.entries(given.settings)]
    }),
  ),
}

describe.each(Object.entries(variables))('%s', (_file, given) => {
  test('sets variables that exist, to values that Portico accepts', () => {
    expect(given.length).toBeGreaterThan(1)
    for (const [name, value] of given) {
      const isFile = name.endsWith('_FILE') && secrets.includes(name.slice(0, -5))
      expect([name, isFile || known.has(name)]).toEqual([name, true])
      // A file named by a setting is not on this machine.
      if (value === undefined || name.endsWith('_FILE')) continue
      expect([name, known.get(name)?.parse.safeParse(value).success]).toEqual([name, true])
    }
  })
})

describe('the chart', () => {
  test('takes exactly the settings that are secrets as secrets, and no secret as a plain setting', () => {
    expect([...(schema.properties.secrets?.properties?.names?.items.enum ?? [])].sort()).toEqual(
      secrets.sort(),
    )
    expect(schema.properties.settings.propertyNames.not.enum).toEqual(expect.arrayContaining(secrets))
  })

  test('forbids as plain settings those that it sets itself', () => {
    const set = [...read(`${chart}/templates/configmap.yaml`).matchAll(/^ {2}([A-Z_]+):/gm)]
    expect(set.length).toBeGreaterThan(3)
    expect(schema.properties.settings.propertyNames.not.enum).toEqual(
      expect.arrayContaining(set.map(([, name]) => name)),
    )
  })

  test('has a value for all that its templates use, and uses, and describes, every value', () => {
    const used = [...inTemplates.matchAll(/(?<!\w)\$?\.Values\.([\w.]+)/g)].map(([, path = '']) => path)
    for (const path of used) {
      const found = path
        .split('.')
        .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], values)
      expect([path, found !== undefined]).toEqual([path, true])
    }
    const names = Object.keys(values).sort()
    expect([...new Set(used.map((path) => path.split('.')[0]))].sort()).toEqual(names)
    expect(
      Object.keys(schema.properties)
        .filter((name) => name !== 'global')
        .sort(),
    ).toEqual(names)
  })

  test('starts the version that this tree is, as the Kustomize base does', () => {
    const { version, appVersion } = parse(read(`${chart}/Chart.yaml`)) as Record<string, string>
    expect([version, appVersion]).toEqual([packageJson.version, packageJson.version])
    expect(read('deploy/kustomize/kustomization.yaml')).toContain(`newTag: ${packageJson.version}\n`)
  })
})

describe('ports, paths and times', () => {
  const inCode = read('src/routes.ts').replaceAll(/\$\{api\}/g, '/api')
  const quoted = [...inCode.matchAll(/'(\/[^']+)'|`(\/[^`*$]+[^`*/])`/g)]
  const routes = quoted.map(([, fixed, belowPrefix = '']) => fixed ?? belowPrefix)
  const everywhere = [inTemplates, read('deploy/kustomize/deployment.yaml'), dockerfile]

  test('probes and the health check of the image ask addresses that exist', () => {
    const asked = everywhere.map((text) =>
      [...text.matchAll(/httpGet: \{ path: (\S+),|3000\}(\/\w+)`/g)].map(
        ([, probe, check]) => probe ?? check,
      ),
    )
    expect(asked).toEqual([['/livez', '/readyz', '/livez'], ['/livez', '/readyz', '/livez'], ['/livez']])
    expect(routes).toEqual(expect.arrayContaining(asked.flat()))
  })

  test('the Ingress has every address of a browser or a machine outside, and none of a balancer', () => {
    const { paths } = values.ingress as { paths: string[] }
    const open = routes.filter((path) => !/^\/(livez|readyz|metrics|operator)/.test(path))
    const isBelow = (path: string, prefix: string) => path === prefix || path.startsWith(`${prefix}/`)
    expect(open.filter((path) => !paths.some((prefix) => isBelow(path, prefix)))).toEqual([])
    expect(paths.filter((prefix) => !open.some((path) => isBelow(path, prefix)))).toEqual([])
  })

  test('containers listen where Portico does', () => {
    expect(dockerfile).toContain(`EXPOSE ${settings.PORT.fallback}\n`)
    for (const text of everywhere.slice(0, 2)) {
      const ports = [...text.matchAll(/name: (\w+), containerPort: (\d+)/g)].map(([, name, port]) => [
        name,
        port,
      ])
      expect(ports).toEqual([
        ['http', settings.PORT.fallback],
        ['operator', '9464'],
      ])
    }
    expect(read(`${chart}/templates/configmap.yaml`)).toContain('OPERATOR_PORT: "9464"')
    expect(variables['kustomize/portico.env']).toContainEqual(['OPERATOR_PORT', '9464'])
  })

  test('Portico has SHUTDOWN_DRAIN and 20 seconds to end', () => {
    const drain = (file: string) => {
      const given = variables[file]?.find(([name]) => name === 'SHUTDOWN_DRAIN')?.[1]
      return given === undefined ? toShutdownDrain({}, true) : duration('0s', '5m').parse(given)
    }
    const pods = kustomize.deployment?.find(({ kind }) => kind === 'Deployment')?.spec.template.spec
    const times = {
      'kustomize/portico.env': pods?.terminationGracePeriodSeconds,
      'portico.service': Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]),
      'compose.yaml': Number.parseInt(compose.services.portico.stop_grace_period, 10),
    }
    for (const [file, seconds] of Object.entries(times))
      expect([file, seconds]).toEqual([file, drain(file) / 1_000 + 20])
    expect(inTemplates).toContain('terminationGracePeriodSeconds: {{ add .Values.drainSeconds 20 }}')
  })
})

describe('what a process may do', () => {
  const inPods = ['deploy/kustomize/deployment.yaml', `${chart}/templates/deployment.yaml`].map(read)

  test('in a pod: as little as the restricted Pod Security Standard allows, on a read-only root', () => {
    const pod = kustomize.deployment?.find(({ kind }) => kind === 'Deployment')?.spec.template.spec
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 65532,
        runAsGroup: 65532,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        {
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
        },
      ],
    })
    // The chart, which is no YAML before it is rendered, says it by the same lines.
    const [base, ofChart] = inPods.map((text) => [
      ...(text.match(/^( +)securityContext:\n(?:\1 {2}.+\n)+/gm) ?? []),
      ...(text.match(/^ +automountServiceAccountToken: .+$/gm) ?? []),
    ])
    expect(base).toHaveLength(3)
    expect(ofChart).toEqual(base)
  })

  test('in Compose: no capability, no new privilege, and a read-only root', () => {
    expect(compose.services.portico).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    })
  })

  test('by systemd: with no privilege and no user of its own, and the file system is read-only', () => {
    const lines = unit.split('\n')
    for (const line of [
      'DynamicUser=yes',
      'NoNewPrivileges=yes',
      'ProtectSystem=strict',
      'CapabilityBoundingSet=',
    ]) {
      expect(lines).toContain(line)
    }
  })
})

describe('who reaches it', () => {
  const both = (name: string) =>
    [`deploy/kustomize/${name}.yaml`, `${chart}/templates/${name}.yaml`].map(read)

  test('each port of a Service leads to the port of that name', () => {
    for (const text of both('services')) {
      const ports = [...text.matchAll(/name: (\w+), port: .+, targetPort: (\w+) \}/g)]
      expect(ports.map(([, name, target]) => [name, target])).toEqual([
        ['http', 'http'],
        ['operator', 'operator'],
      ])
    }
  })

  test('the operator’s port is open to those alone whom a NetworkPolicy names', () => {
    const [base = '', ofChart = ''] = both('networkpolicy')
    for (const text of [base, ofChart]) {
      expect(text.match(/port: operator/g)).toHaveLength(1)
      expect(text).toMatch(/- ports: \[\{ port: operator \}\]\n +from:/)
    }
    // Where nobody is named, there is no such rule: `from` without anyone would be everyone.
    expect(ofChart).toContain('if and $.Values.operator.enabled .operatorFrom')
  })
})

describe('the image', () => {
  test('is built on one version of Node, the one that the tests run on', () => {
    const versions = [...dockerfile.matchAll(/^FROM (?:--platform=\S+ )?node:([\d.]+)/gm)].map(
      ([, version]) => version,
    )
    expect(versions).toEqual([packageJson.devDependencies.node, packageJson.devDependencies.node])
  })

  test('runs as a user whose number Kubernetes can see, the same everywhere', () => {
    expect(dockerfile.split(/^FROM /m).at(-1)).toMatch(/^USER 65532:65532$/m)
    expect(inTemplates).toContain('runAsUser: 65532')
  })

  test('holds nothing that is compiled for a processor, so that one build serves all of them', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { dev?: true; devOptional?: true; os?: []; cpu?: []; hasInstallScript?: true }>
    }
    const needed = Object.entries(packages).filter(([, { dev, devOptional }]) => !dev && !devOptional)
    expect(needed.length).toBeGreaterThan(50)
    expect(needed.filter(([, { os, cpu, hasInstallScript }]) => os || cpu || hasInstallScript)).toEqual([])
  })

  test('is built without the documents that the package exports', () => {
    const folder = mkdtempSync(join(tmpdir(), 'portico-build-'))
    try {
      mkdirSync(join(folder, 'dist'))
      const exports = { '.': { types: './dist/a.d.ts', default: './dist/a.js' }, './b.json': './docs/b.json' }
      writeFileSync(join(folder, 'package.json'), JSON.stringify({ exports }))
      for (const name of ['a.js', 'a.d.ts', 'b.d.ts']) writeFileSync(join(folder, 'dist', name), '')
      execFileSync(process.execPath, [join(root, 'packages/prune-dist.ts')], { cwd: folder, stdio: 'pipe' })
      expect(readdirSync(join(folder, 'dist')).toSorted()).toEqual(['a.d.ts', 'a.js'])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('is built from an allow list of files', () => {
    const lines = read('.dockerignore').trim().split('\n')
    expect(lines[0]).toBe('*')
    expect(lines.slice(1).filter((line) => !line.startsWith('!') || line.includes('env'))).toEqual([])
  })
})

test('npm run sbom lists every dependency, and no package that only development needs', () => {
  const made = execFileSync('npm', ['run', '--silent', 'sbom'], { cwd: root, encoding: 'utf8' })
  const { bomFormat, components } = JSON.parse(made) as { bomFormat: string; components: { name: string }[] }
  const names = new Set(components.map(({ name }) => name))
  expect(bomFormat).toBe('CycloneDX')
  expect(Object.keys(packageJson.dependencies).filter((name) => !names.has(name))).toEqual([])
  expect(Object.keys(packageJson.devDependencies).filter((name) => names.has(name))).toEqual([])
  expect([...names].filter((name) => name.startsWith('@portico-bff/'))).toEqual([])
})

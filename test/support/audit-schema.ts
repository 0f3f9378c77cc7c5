import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { root } from './processes/start-process.ts'

/** The fields of ECS 8.17 that audit records use, with their types there. */
const ecsFields: Record<string, 'date' | 'keyword' | 'match_only_text' | 'long' | 'ip' | 'wildcard'> = {
  '@timestamp': 'date',
  'ecs.version': 'keyword',
  'event.id': 'keyword',
  'event.kind': 'keyword',
  'event.dataset': 'keyword',
  'event.action': 'keyword',
  'event.category': 'keyword',
  'event.type': 'keyword',
  'event.outcome': 'keyword',
  'event.code': 'keyword',
  'event.reason': 'keyword',
  'event.duration': 'long',
  message: 'match_only_text',
  'service.name': 'keyword',
  'process.pid': 'long',
  'client.ip': 'ip',
  'source.ip': 'ip',
  'http.request.id': 'keyword',
  'trace.id': 'keyword',
  'user.hash': 'keyword',
  'user.id': 'keyword',
  'url.path': 'wildcard',
}
/** `labels` are the reader's own keywords. */
const typeOf = (field: string) => (/^labels\.\w+$/.test(field) ? 'keyword' : ecsFields[field])

/** Which values of `event.type` ECS 8.17 expects with a value of `event.category`. */
const expectedTypes: Record<string, string> = {
  api: 'access admin allowed change creation deletion denied end info start user',
  authentication: 'start end info',
  configuration: 'access change creation deletion info',
  session: 'start end info',
}

const isOfType: Record<string, (value: unknown) => boolean> = {
  date: (value) => typeof value === 'string' && new Date(value).toISOString() === value,
  keyword: (value) => [value].flat().every((one) => typeof one === 'string' && one.length <= 1_024),
  match_only_text: (value) => typeof value === 'string',
  long: (value) => Number.isSafeInteger(value),
  ip: (value) => typeof value === 'string' && isIP(value) !== 0,
  wildcard: (value) => typeof value === 'string',
}

const page = readFileSync(join(root, 'docs/audit.md'), 'utf8')
const sectionOf = (heading: string) => page.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
const codesIn = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)

/** Documented fields with their types. */
const toDocumented = (heading: string) =>
  [...sectionOf(heading).matchAll(/^\| (`.+?) \| (\w+) \|/gm)].flatMap(([, names = '', type = '']) =>
    codesIn(names).map((name): [string, string] => [name, type]),
  )
const inEvery = toDocumented('Fields of every record')
const inSome = toDocumented('Fields of some records')

/** What docs/audit.md says of the fields, with their types. */
export const documentedFields: Record<string, string> = Object.fromEntries([...inEvery, ...inSome])
/** What ECS says of the same. */
export const ecsTypesOfDocumented = Object.fromEntries(
  Object.keys(documentedFields).map((field) => [field, typeOf(field)]),
)

/** A row of the table of events. */
interface DocumentedEvent {
  category: string[]
  type: string[]
  outcome: string
  needed: string[]
  possible: string[]
}

/** Every event of docs/audit.md. */
export const documentedEvents = new Map<string, DocumentedEvent>(
  [...sectionOf('Events').matchAll(/^\| `(\w+)` \| ([a-z, ]+) \| ([a-z, ]+) \| (\w+) \| (.*)\|$/gm)].map(
    ([, action = '', category = '', type = '', outcome = '', fields = '']) => [
      action,
      {
        category: category.split(', '),
        type: type.split(', '),
        outcome,
        needed: codesIn(fields).filter((name) => !name.endsWith('?')),
        possible: codesIn(fields).map((name) => name.replace('?', '')),
      },
    ],
  ),
)

/** On any record that a request caused. */
const ofRequests = ['client.ip', 'source.ip', 'http.request.id', 'trace.id']

/** The leaves of a record by their dotted names. */
function flatten(value: object, prefix = ''): [string, unknown][] {
  return Object.entries(value).flatMap(([name, one]: [string, unknown]): [string, unknown][] =>
    typeof one === 'object' && one !== null && !Array.isArray(one)
      ? flatten(one, `${prefix}${name}.`)
      : [[`${prefix}${name}`, one]],
  )
}

/** What is wrong with an audit record, by docs/audit.md and by ECS; nothing if it is right. */
export function findAuditProblems(record: object): string[] {
  const fields = new Map(flatten(record))
  const documented = documentedEvents.get(String(fields.get('event.action')))
  if (documented === undefined) return [`${fields.get('event.action')} is not documented`]
  const { category, type, outcome, needed, possible } = documented
  const users = [...fields.keys()].filter((name) => name.startsWith('user.'))
  const present = new Set([...fields.keys(), ...(users.length === 1 ? ['user'] : [])])
  const allowed = new Set([
    ...inEvery.map(([name]) => name),
    ...ofRequests,
    ...possible,
    ...(possible.includes('user') ? ['user.hash', 'user.id'] : []),
  ])
  const check = (isRight: boolean, problem: string) => (isRight ? [] : [problem])
  return [
    ...[...inEvery.map(([name]) => name), ...needed].flatMap((name) =>
      check(present.has(name), `no ${name}`),
    ),
    ...[...fields.keys()].flatMap((name) => check(allowed.has(name), `${name} is not documented for it`)),
    ...check(users.length <= 1, 'two names of a user'),
    ...[...fields].flatMap(([name, value]) =>
      check(isOfType[typeOf(name) ?? '']?.(value) === true, `${name} is no ${typeOf(name)}: ${value}`),
    ),
    ...check(String(fields.get('event.category')) === String(category), 'another category'),
    ...check(String(fields.get('event.type')) === String(type), 'another type'),
    ...check(fields.get('event.outcome') === outcome, 'another outcome'),
    ...check(
      fields.get('event.kind') === 'event' && fields.get('event.dataset') === 'portico.audit',
      'another kind',
    ),
    ...category.flatMap((one) => check(one in expectedTypes, `${one} is no category`)),
    ...type.flatMap((one) =>
      check(
        category.some((each) => expectedTypes[each]?.split(' ').includes(one)),
        `ECS expects no type ${one} here`,
      ),
    ),
    ...check(fields.get('client.ip') === fields.get('source.ip'), 'client and source differ'),
  ]
}

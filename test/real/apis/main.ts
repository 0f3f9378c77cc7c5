import { decodeJwt } from 'jose'
import { type Case, createCases } from './cases.ts'
import { startPortico } from './portico.ts'
import { startApi } from './run.ts'
import { readSnippet } from './snippets.ts'
import { type Stack, stacks } from './stacks.ts'

/**
 * Runs the APIs of docs/apis/ as their pages say, each at a real Portico with a real oidc-provider, and sends
 * them good tokens and bad ones. Prints what they answered, and fails where it is not what it must be.
 *
 *     npm run test:apis                       all
 *     npm run test:apis -- spring go          only these
 *     npm run test:apis -- go --answers       and prints the whole answers
 */

const print = (text: string) => process.stdout.write(`${text}\n`)
const names = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const printsAnswers = process.argv.includes('--answers')
/** `spring` stands for every version of it. */
const isNamed = (stack: Stack, name: string) => stack.name === name || stack.name.startsWith(`${name}-`)
const unknown = names.filter((name) => !stacks.some((stack) => isNamed(stack, name)))
if (unknown.length > 0) {
  throw new Error(`unknown: ${unknown.join(', ')}; there are ${stacks.map(({ name }) => name).join(', ')}`)
}

/** What a stack answered to each case, by its name, or why it did not run. */
type Row = { stack: Stack; answers: Map<string, string>; surprises: number }

const rows: Row[] = []
for (const stack of stacks) {
  if (names.length > 0 && !names.some((name) => isNamed(stack, name))) continue
  print(`\n${stack.name}: docs/apis/${stack.page}`)
  rows.push(await runStack(stack))
}
printTable(rows)
const surprises = rows.reduce((sum, row) => sum + row.surprises, 0)
print(`\n${rows.length} stacks, ${surprises} surprises`)
process.exitCode = surprises === 0 ? 0 : 1

async function runStack(stack: Stack): Promise<Row> {
  const answers = new Map<string, string>()
  const startedAt = Date.now()
  const portico = await startPortico(readSnippet(stack.page, stack.sections).settings)
  let surprises = 0
  try {
    const api = await startApi(stack, portico.url)
    print(`it listens after ${Math.round((Date.now() - startedAt) / 1000)} s`)
    try {
      for (const call of await createCases(portico, stack)) {
        const { status, text } = await send(api.url, call)
        if (printsAnswers) print(`${call.name}: ${text}`)
        answers.set(call.name, status)
        if (status === String(call.expected)) continue
        surprises += 1
        print(`SURPRISE: ${call.name} must be ${call.expected}, not ${text}`)
      }
    } finally {
      if (surprises > 0) print(api.printed())
      await api.stop()
    }
  } catch (error) {
    surprises += 1
    print(String(error))
  } finally {
    await portico.stop()
  }
  return { stack, answers, surprises }
}

/** Sends one call. Where it must succeed, the answer must name the token's user. */
async function send(url: string, { path, token, prove }: Case): Promise<{ status: string; text: string }> {
  const headers = {
    ...(token === undefined ? {} : { authorization: `${prove === undefined ? 'Bearer' : 'DPoP'} ${token}` }),
    ...(prove === undefined ? {} : { dpop: await prove(url + path) }),
  }
  const response = await fetch(url + path, { headers })
  const body = await response.text()
  const challenge = response.headers.get('www-authenticate')
  const isForUser =
    response.status !== 200 || token === undefined || body.includes(`"${decodeJwt(token).sub}"`)
  return {
    status: isForUser ? String(response.status) : 'wrong user',
    text: `${response.status} ${challenge === null ? '' : `[${challenge}] `}${body.slice(0, 300)}`,
  }
}

function printTable(rows: readonly Row[]): void {
  const cases = new Set(rows.flatMap(({ answers }) => [...answers.keys()]))
  const width = Math.max(...[...cases].map((name) => name.length), 4)
  const columns = rows.map(({ stack }) => stack.name)
  print(`\n${'case'.padEnd(width)}  ${columns.join('  ')}`)
  for (const name of cases) {
    const cells = rows.map(({ stack, answers }) => (answers.get(name) ?? '-').padEnd(stack.name.length))
    print(`${name.padEnd(width)}  ${cells.join('  ')}`)
  }
}

import { describe, expect, test } from 'vitest'
import { commands } from '../../../src/cli/commands.ts'
import { readArguments } from '../../../src/cli/read-arguments.ts'
import { renderHelp, renderOverview, renderUsage } from '../../../src/cli/usage.ts'
import { WrongUse } from '../../../src/cli/wrong-use.ts'

const find = (name: string) => commands.find((command) => command.name === name)

/** The problem with a command line, and the command whose usage is shown below it. */
function problemOf(...args: string[]) {
  try {
    readArguments(args)
    return undefined
  } catch (error) {
    if (!(error instanceof WrongUse)) throw error
    return [error.message, error.command?.name]
  }
}

describe('help and version', () => {
  test.each([[['--help']], [['-h']], [['help']], [['--version', '--help']], [['-vh']]])(
    '%j is help about all commands',
    (args) => expect(readArguments(args)).toEqual({ kind: 'help', command: undefined }),
  )

  test.each([[['doctor', '--help']], [['-h', 'doctor']], [['help', 'doctor']], [['doctor', '--fast', '-h']]])(
    '%j is help about the doctor',
    (args) => expect(readArguments(args)).toEqual({ kind: 'help', command: find('doctor') }),
  )

  test.each([[['--version']], [['-v']], [['keys', '-v']]])('%j is the version', (args) =>
    expect(readArguments(args)).toEqual({ kind: 'version' }),
  )

  test('the overview lists every command; the help of each has its exit codes and an example that is accepted', () => {
    for (const command of commands) {
      expect(renderOverview()).toMatch(new RegExp(`^ {2}${command.name} `, 'm'))
      expect(renderOverview()).toContain(`${command.summary}\n`)
      const help = renderHelp(command)
      expect(help).toMatch(new RegExp(`^Usage: portico-bff ${command.name}`))
      for (const section of ['Exit codes:\n  0 ', 'Example:\n  ']) expect(help).toContain(section)
      for (const option of command.options ?? []) expect(help).toContain(`\n  --${option} `)
      const [, example = ''] = /Example:\n.*portico-bff ([^>\n]+)/.exec(help) ?? []
      expect(readArguments(example.trim().split(' '))).toMatchObject({ kind: 'run', command })
      for (const line of help.split('\n')) expect(line.length).toBeLessThan(120)
    }
  })

  test('the usage of one command is its own, and names its help', () => {
    const [command] = commands.filter(({ name }) => name === 'explain')
    expect(command && renderUsage(command)).toBe(
      'Usage: portico-bff explain <id>\n`portico-bff explain --help` says more.\n',
    )
  })
})

describe('commands', () => {
  test.each<[string[], string, string, string[]]>([
    [[], 'serve', '', []],
    [['serve'], 'serve', '', []],
    [['doctor', '--json'], 'doctor', '', ['json']],
    [['explain', 'help'], 'explain', 'help', []],
    [['subject', '--', '--help'], 'subject', '--help', []],
  ])('%j runs %s with %j and the options %j', (args, name, argument, options) => {
    expect(readArguments(args)).toEqual({
      kind: 'run',
      command: find(name),
      argument,
      options: new Set(options),
    })
  })
})

test.each<[string[], string, string | undefined]>([
  [['docotr'], 'Unknown command: docotr. Did you mean doctor?', undefined],
  [['fly'], 'Unknown command: fly.', undefined],
  // Two letters from help and from keys, which is half of them.
  [['hey'], 'Unknown command: hey.', undefined],
  // A secret in the wrong place is not printed.
  [['BFF_SECRETS=abc'], 'Unknown command: BFF_SECRETS. Settings are environment variables.', undefined],
  [['help', 'key'], 'Unknown command: key. Did you mean keys?', undefined],
  [['--json'], 'Unknown option: --json.', undefined],
  [['serve', '--fast'], 'Unknown option: --fast.', 'serve'],
  [['doctor', '--jason'], 'Unknown option: --jason. Did you mean --json?', 'doctor'],
  [['doctor', '-j'], 'Unknown option: -j.', 'doctor'],
  [['doctor', '--json=1'], 'The option --json takes no value.', 'doctor'],
  [['keys', 'x'], 'keys takes no argument.', 'keys'],
  [['explain'], 'explain needs an id.', 'explain'],
  [['explain', ''], 'explain needs an id.', 'explain'],
  [['client', 'a', 'b'], 'client takes one argument.', 'client'],
  [['subject'], 'subject needs the sub of a user.', 'subject'],
])('%j is refused: %s', (args, message, command) => {
  expect(problemOf(...args)).toEqual([message, command])
})

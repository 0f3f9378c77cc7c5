import type { Command } from './command.ts'

const serve: Command = {
  name: 'serve',
  summary: 'start the server (the default)',
  help: `Starts the server. It is also what runs without a command.

Settings come from the environment and, unless NODE_ENV=production, from a file .env in the working
directory. docs/configuration.md explains them, and .env.example is a file to start from. The server ends
on SIGTERM and on Ctrl+C, once the requests in progress have their answers; a second signal ends it at once.

Exit codes:
  0   it was asked to end
  1   it cannot start, such as on a port that is in use, or it failed
  64  wrong use of the command line
  78  the configuration is wrong, or Node is too old

Example:
  portico-bff serve`,
  load: () => import('./commands/serve.ts'),
}

const doctor: Command = {
  name: 'doctor',
  parameters: '[--json]',
  summary: 'look for mistakes in the configuration',
  help: `Examines the configuration from outside, without a sign-in: settings, the provider and its answers to this
client, Redis, proxy routes, PUBLIC_URL. It prints pass, warn, FAIL or ? (unknown) for each check, and what
to correct. Settings come from where the server takes them.

Options:
  --json  print the findings as JSON, for pipelines

Exit codes:
  0   no check failed
  1   a check failed, also that of the settings
  64  wrong use of the command line

Example:
  portico-bff doctor --json > findings.json`,
  options: ['json'],
  load: () => import('./commands/doctor.ts'),
}

const explain: Command = {
  name: 'explain',
  parameters: '<id>',
  summary: 'say why a user could not sign in, from the log',
  help: `Reads the log on standard input (JSON lines, LOG_FORMAT=json) and says what became of a sign-in, the cause
and the remedy. docs/troubleshooting.md has more.

Arguments:
  <id>  the id that an error page or an answer shows (request_id), or \`login\` of the log

Exit codes:
  0   the log has the id
  1   it does not
  64  wrong use of the command line

Example:
  docker logs portico 2>&1 | portico-bff explain 8e220408-2ec4-4f5f-b9a9-acf1babb61d6`,
  argument: 'an id',
  load: () => import('./commands/explain.ts'),
}

const keys: Command = {
  name: 'keys',
  summary: 'print a new line for BFF_SECRETS',
  help: `Prints a new random secret, as the line BFF_SECRETS=... of an .env file. All replicas need the same one. To
rotate it, put the new one before the old one: docs/operations.md says how.

Exit codes:
  0   printed
  64  wrong use of the command line

Example:
  portico-bff keys >> .env`,
  load: () => import('./commands/keys.ts'),
}

const client: Command = {
  name: 'client',
  parameters: '<id>',
  summary: 'print a new secret for an API that introspects app tokens',
  help: `Prints a new secret for a resource server, which is shown this once, and the entry for INTROSPECTION_CLIENTS by
which Portico knows it.

Arguments:
  <id>  the name of the API: at most 100 letters, digits and . _ ~ -

Exit codes:
  0   printed
  64  wrong use of the command line

Example:
  portico-bff client orders-api`,
  argument: 'an id',
  load: () => import('./commands/client.ts'),
}

const subject: Command = {
  name: 'subject',
  parameters: '<sub>',
  summary: 'print the hash by which the log names a user',
  help: `Prints how the log names a user (LOG_SUBJECT=hash), to look for that user's lines: one hash for each of
BFF_SECRETS, the newest first. BFF_SECRETS has to be that of the server.

Arguments:
  <sub>  the \`sub\` of the user's app tokens; behind -- where it begins with a dash

Exit codes:
  0   printed
  64  wrong use of the command line
  78  BFF_SECRETS is missing or wrong

Example:
  portico-bff subject okta:00u1abcd`,
  argument: 'the sub of a user',
  load: () => import('./commands/subject.ts'),
}

/** Every command, in the order of the help. */
export const commands: readonly Command[] = [serve, doctor, explain, keys, client, subject]

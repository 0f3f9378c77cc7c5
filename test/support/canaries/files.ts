import { mkdirSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'

/**
 * What a test run issues that is secret, and what it puts out, each process in a file of its own. A line is
 * `S`, the kind of secret and the secret, or `O`, the channel and the text, with tabs between.
 */

/** The kinds of secrets; they name what was found, the secret itself is never shown. */
export type SecretKind =
  | 'access token'
  | 'refresh token'
  | 'ID token'
  | 'app token'
  | 'code'
  | 'code verifier'
  | 'state'
  | 'client secret'
  | 'client assertion'
  | 'private key'
  | 'master secret'
  | 'operator secret'
  | 'forward-auth secret'
  | 'Redis password'
  | 'forward proxy password'
  | 'cookie'

/** Names the folder of a run in the environment of all its processes; nothing is recorded without it. */
export const folderVariable = 'CANARIES'

const opened = new Map<string, number>()

function write(line: string): void {
  const folder = process.env[folderVariable]
  if (folder === undefined) return
  const file = opened.get(folder) ?? openSync(join(folder, `${process.pid}-${threadId}.txt`), 'a')
  opened.set(folder, file)
  // At once: many processes of tests are killed.
  writeSync(file, line)
}

/** Shorter texts are no secrets, but what a test made up. */
const shortest = 16

/** Remembers a secret; texts that are too short to be one are left out. */
export function recordSecret(kind: SecretKind, secret: string | undefined): void {
  if (secret !== undefined && secret.length >= shortest) write(`S\t${kind}\t${oneLine(secret)}\n`)
}

/** Remembers what left the server: a log line, an answer, a scrape, a trace. The channel says where it was. */
export function recordOutput(channel: string, text: string): void {
  if (text !== '') write(`O\t${oneLine(channel)}\t${oneLine(text)}\n`)
}

/** Remembers what is in a file that a server wrote, where there is one: a device such as /dev/full has no end. */
export function recordFile(channel: string, path: string | undefined): void {
  const isFile = path !== undefined && statSync(path, { throwIfNoEntry: false })?.isFile()
  if (isFile) recordOutput(channel, readFileSync(path, 'utf8'))
}

const oneLine = (text: string) => text.replaceAll(/[\t\r\n]+/g, ' ')

/** Makes an empty folder for a run, and names it to all processes that the run starts. */
export function prepareFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  process.env[folderVariable] = folder
}

/** The files of a run. */
export const listFiles = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.txt'))
    .map((name) => join(folder, name))

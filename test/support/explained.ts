import { expect } from 'vitest'
import { explain } from '../../src/explain/explain.ts'
import type { TestPortico } from './portico.ts'

/** Explains an id from what a server has logged, once the answer of its last request is logged, too. */
export async function explainFrom({ logged }: Pick<TestPortico, 'logged'>, id: string): Promise<string> {
  await expect
    .poll(() =>
      logged.some((line) => /^request_/.test(line.event) && [line.request_id, line.login].includes(id)),
    )
    .toBe(true)
  const { found, text } = await explain(toLines(logged), id)
  expect([found, text]).toEqual([true, expect.any(String)])
  return text
}

/** The log as a program would pass it on: in pieces that are no lines. */
async function* toLines(logged: readonly object[]): AsyncGenerator<string> {
  const text = logged.map((line) => `${JSON.stringify(line)}\n`).join('')
  for (let at = 0; at < text.length; at += 1_000) yield text.slice(at, at + 1_000)
}

/** The id that a user sees with a failure: in the problem document, or on the page. */
export async function readShownId(response: Response): Promise<string> {
  const text = await response.text()
  const id = /"request_id":"([^"]+)"/.exec(text)?.[1] ?? /request ([\w-]+)<\/small>/.exec(text)?.[1]
  if (id === undefined) throw new Error(`no id in ${text}`)
  return id
}

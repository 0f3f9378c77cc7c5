import type { z } from 'zod'
import type { ErrorCode } from '../../errors.ts'
import type { ParameterName, ResponseHeaderName, SchemeName, Tag } from './components.ts'

/** One operation of the HTTP API: what a request may have, and everything that it may be answered with. */
export interface Operation {
  /** In the template syntax of OpenAPI, where `{api}` stands for API_PREFIX: `{api}/sessions/{id}`. */
  path: `{api}/${string}` | `/${string}`
  method: Method
  /** The name that generated clients give it. */
  id: string
  tag: Tag
  summary: string
  description?: string
  /** The variables of the path, all of them. */
  pathParameters?: z.ZodObject
  query?: z.ZodObject
  /** Request headers, by their names among the components. */
  headers?: readonly ParameterName[]
  body?: RequestBody
  /** Ways to authenticate, one of which is enough; `none` where a request may also come without. */
  security?: readonly (SchemeName | 'none')[]
  answers: readonly Answer[]
  /** Codes of errors.ts; their statuses follow. */
  refusals: readonly ErrorCode[]
}

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'

interface RequestBody {
  json?: z.ZodType
  form?: z.ZodType
  required: boolean
}

/** An answer that is no refusal. */
export interface Answer {
  /** `default`: what an upstream answers, whatever it is. */
  status: number | 'default'
  description: string
  /** By content type. */
  content?: Readonly<Record<string, z.ZodType | 'page' | 'anything'>>
  /** Headers that it always has. */
  headers?: readonly ResponseHeaderName[]
  /** Headers that it may have. */
  optionalHeaders?: readonly ResponseHeaderName[]
}

/** An answer with JSON. */
export const json = (description: string, schema: z.ZodType, more: Partial<Answer> = {}): Answer => ({
  status: 200,
  description,
  content: { 'application/json': schema },
  ...more,
})

/** An answer with a page of HTML. */
export const page = (description: string): Answer => ({
  status: 200,
  description,
  content: { 'text/html': 'page' },
})

/** An answer to a navigation: the browser goes to another address. */
export const redirect = (status: 302 | 303, description: string, more: Partial<Answer> = {}): Answer => ({
  status,
  description,
  headers: ['Location'],
  ...more,
})

/** The note that Express adds to a redirect, for clients that follow none. */
export const redirectNote = { 'text/html': 'page', 'text/plain': 'page' } as const

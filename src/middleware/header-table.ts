/** How are headers rewritten by a table? Rules that need no code: copy, remove, set, append, in that order. */

import type { RewritableHeaders } from '../request/rewritable-headers.ts'
import type { RewritableRequest } from '../request/rewritable-request.ts'
import type { RewritableResponse } from '../request/rewritable-response.ts'
import { fail, show } from '../trust/error.ts'
import { isHeaderName, isHeaderValue } from '../trust/header-text.ts'
import { nearest } from '../trust/nearest.ts'

/** Rules for the headers of requests, of responses, or both. */
export interface RewriteTable {
  readonly request?: HeaderRules | undefined
  readonly response?: HeaderRules | undefined
}

/** What is done to headers, in this order. */
export interface HeaderRules {
  /** `{ to: from }`: each header on the left gets the value of the one on the right; where there is none, it stays as it is. */
  readonly copy?: Readonly<Record<string, string>> | undefined
  /** Headers that go. */
  readonly remove?: readonly string[] | undefined
  /** Headers with the one value that they are to have. */
  readonly set?: Readonly<Record<string, string>> | undefined
  /** Values to add to those there are. */
  readonly append?: Readonly<Record<string, string>> | undefined
}

type Rewrite = (headers: RewritableHeaders) => void

const SIDES = ['request', 'response'] as const
const KINDS = ['copy', 'remove', 'set', 'append'] as const

/** Compiles a table to what a rewriter does. */
export function compileTable(table: RewriteTable): {
  rewrite?: (request: RewritableRequest) => void
  rewriteResponse?: (response: RewritableResponse) => void
} {
  checkKeys(table, SIDES, 'HeaderRewriter.from', "{ request: { set: { 'X-Name': 'value' } } }")
  const request = table.request && compileRules(table.request, 'request')
  const response = table.response && compileRules(table.response, 'response')
  if (request === undefined && response === undefined) {
    fail("HeaderRewriter.from has no rules: give it some, like { response: { remove: ['Server'] } }.")
  }
  return {
    ...(request && { rewrite: ({ headers }: RewritableRequest) => request(headers) }),
    ...(response && { rewriteResponse: ({ headers }: RewritableResponse) => response(headers) }),
  }
}

function compileRules(rules: HeaderRules, side: string): Rewrite {
  checkKeys(rules, KINDS, `The ${side} of HeaderRewriter.from`, "{ set: { 'X-Name': 'value' } }")
  const { copy = {}, remove = [], set = {}, append = {} } = rules
  if (!Array.isArray(remove)) {
    fail(`The rule ${side}.remove must be a list of header names like ['Server'], not ${show(remove)}.`)
  }
  const copies = entriesOf(copy, `${side}.copy`, isHeaderName, 'the name of a header')
  const sets = entriesOf(set, `${side}.set`, isHeaderValue, 'a text that a header can hold')
  const appends = entriesOf(append, `${side}.append`, isHeaderValue, 'a text that a header can hold')
  const removed = (remove as readonly unknown[]).map((name) => nameIn(name, `${side}.remove`))
  return (headers) => {
    for (const [to, from] of copies) {
      const value = headers.get(from)
      if (value !== null) headers.set(to, value)
    }
    for (const name of removed) if (headers.has(name)) headers.delete(name)
    for (const [name, value] of sets) headers.set(name, value)
    for (const [name, value] of appends) headers.append(name, value)
  }
}

function entriesOf(
  record: unknown,
  rule: string,
  isValue: (text: string) => boolean,
  wanted: string,
): readonly (readonly [string, string])[] {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    fail(
      `The rule ${rule} must be an object like { 'X-Name': ${rule.endsWith('copy') ? "'X-Other'" : "'value'"} }, not ${show(record)}.`,
    )
  }
  return Object.entries(record as Record<string, unknown>).map(([name, value]) => {
    if (typeof value === 'string' && isValue(value)) return [nameIn(name, rule), value]
    return fail(
      `The rule ${rule} gives ${name} ${typeof value === 'string' ? JSON.stringify(value) : show(value)}, which is not ${wanted}.`,
    )
  })
}

function nameIn(name: unknown, rule: string): string {
  if (typeof name === 'string' && isHeaderName(name)) return name
  return fail(
    `The rule ${rule} names ${show(name)}, which is no header name: names are letters, digits and hyphens, like 'X-Name'.`,
  )
}

function checkKeys(value: unknown, known: readonly string[], owner: string, example: string): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    fail(`${owner} must be an object like ${example}, not ${show(value)}.`)
  }
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue
    const near = nearest(key, known)
    fail(
      `${owner} has no ${key}: ${near === undefined ? `it has ${known.join(', ')}` : `did you mean ${near}?`}${near === undefined ? '.' : ''}`,
    )
  }
}

/** Rules that need no code: copied, removed, set, appended, in that order, on both sides. */

import { describe, expect, it } from 'vitest'
import { HeaderRewriter, ProxyFixError, type RewriteTable } from '../../../src/index.ts'
import { ask, KINDS } from './both-kinds.ts'

describe.each(KINDS)('a table in front of a %s handler', (kind) => {
  it.each<{
    what: string
    table: RewriteTable
    request?: Record<string, string>
    response?: Record<string, string>
    sent?: Record<string, string>
  }>([
    {
      what: 'copies a request header',
      table: { request: { copy: { 'X-B': 'X-A' } } },
      sent: { 'x-a': '1' },
      request: { 'x-a': '1', 'x-b': '1' },
    },
    {
      what: 'copies nothing where there is nothing',
      table: { request: { copy: { 'X-B': 'X-A' } } },
      sent: { 'x-b': '2' },
      request: { 'x-b': '2' },
    },
    {
      what: 'copies over what there is',
      table: { request: { copy: { 'x-b': 'x-a' } } },
      sent: { 'x-a': '1', 'x-b': '2' },
      request: { 'x-a': '1', 'x-b': '1' },
    },
    {
      what: 'removes request headers',
      table: { request: { remove: ['X-A', 'x-none'] } },
      sent: { 'x-a': '1', 'x-b': '2' },
      request: { 'x-b': '2' },
    },
    {
      what: 'sets and appends',
      table: { request: { set: { 'X-A': 'one' }, append: { 'X-B': '3', 'X-C': '4' } } },
      sent: { 'x-a': '1', 'x-b': '2' },
      request: { 'x-a': 'one', 'x-b': '2, 3', 'x-c': '4' },
    },
    {
      what: 'goes by copy, remove, set, append, however it is written',
      table: {
        request: { append: { 'X-A': 'appended' }, set: { 'X-A': 'set' }, remove: ['X-A'], copy: { 'X-B': 'X-A' } },
      },
      sent: { 'x-a': '1' },
      request: { 'x-a': 'set, appended', 'x-b': '1' },
    },
    {
      what: 'rewrites responses',
      table: {
        response: {
          copy: { 'X-Copy': 'X-Old' },
          remove: ['X-Old'],
          set: { 'X-Frame-Options': 'DENY' },
          append: { Vary: 'Accept' },
        },
      },
      response: { 'x-copy': 'old', 'x-frame-options': 'DENY', vary: 'Origin, Accept' },
    },
    {
      what: 'rewrites both sides',
      table: { request: { set: { 'x-a': '1' } }, response: { set: { 'x-b': '2' } } },
      request: { 'x-a': '1' },
      response: { 'x-b': '2', 'x-old': 'old', vary: 'Origin' },
    },
    {
      what: 'takes sides that are undefined',
      table: { request: undefined, response: { set: {} } },
      response: { 'x-old': 'old', vary: 'Origin' },
    },
    { what: 'sets the host', table: { request: { set: { Host: 'fixed.example' } } }, request: {} },
  ])('$what', async ({ table, request, response, sent = {} }) => {
    const outcome = await ask(
      kind,
      (handler) => HeaderRewriter.from(table).wrap(handler),
      { headers: sent },
      {
        headers: [
          ['X-Old', 'old'],
          ['Vary', 'Origin'],
        ],
      },
    )
    expect(outcome.error).toBeUndefined()
    if (request !== undefined) expect(outcome.seen[0]?.headers).toStrictEqual(request)
    if (response !== undefined) expect(Object.fromEntries(outcome.headers)).toStrictEqual(response)
    if (table.request?.set?.['Host'] !== undefined) expect(outcome.seen[0]?.host).toBe('fixed.example')
  })
})

describe('a table is checked when it is made', () => {
  it.each<{ table: unknown; says: string }>([
    { table: undefined, says: 'HeaderRewriter.from must be an object like' },
    {
      table: 'x',
      says: "HeaderRewriter.from must be an object like { request: { set: { 'X-Name': 'value' } } }, not 'x'.",
    },
    { table: [], says: 'HeaderRewriter.from must be an object' },
    { table: {}, says: "HeaderRewriter.from has no rules: give it some, like { response: { remove: ['Server'] } }." },
    { table: { request: undefined }, says: 'HeaderRewriter.from has no rules' },
    { table: { requests: {} }, says: 'HeaderRewriter.from has no requests: did you mean request?' },
    { table: { nonsense: {} }, says: 'HeaderRewriter.from has no nonsense: it has request, response.' },
    { table: { request: 7 }, says: 'The request of HeaderRewriter.from must be an object like' },
    { table: { request: { sets: {} } }, says: 'The request of HeaderRewriter.from has no sets: did you mean set?' },
    {
      table: { response: { remove: 'Server' } },
      says: "The rule response.remove must be a list of header names like ['Server'], not 'Server'.",
    },
    { table: { response: { remove: ['a b'] } }, says: "The rule response.remove names 'a b', which is no header name" },
    { table: { response: { remove: [7] } }, says: 'The rule response.remove names 7' },
    {
      table: { response: { set: ['a'] } },
      says: "The rule response.set must be an object like { 'X-Name': 'value' }, not an array.",
    },
    {
      table: { request: { copy: 'x' } },
      says: "The rule request.copy must be an object like { 'X-Name': 'X-Other' }, not 'x'.",
    },
    {
      table: { request: { copy: { 'X-A': 'a b' } } },
      says: 'The rule request.copy gives X-A "a b", which is not the name of a header.',
    },
    { table: { request: { set: { 'a b': '1' } } }, says: "The rule request.set names 'a b'" },
    {
      table: { request: { set: { 'X-A': 'a\r\nb' } } },
      says: 'The rule request.set gives X-A "a\\r\\nb", which is not a text that a header can hold.',
    },
    { table: { request: { set: { 'X-A': '\u0000' } } }, says: 'The rule request.set gives X-A' },
    { table: { request: { set: { 'X-A': 7 } } }, says: 'The rule request.set gives X-A 7' },
    { table: { response: { append: { 'X-A': '\u20ac' } } }, says: 'The rule response.append gives X-A' },
    { table: { request: { remove: ['Host'] } }, says: 'Host' },
    { table: { request: { set: { Host: 'a@b' } } }, says: 'a@b' },
  ])('$says', ({ table, says }) => {
    let message = ''
    try {
      HeaderRewriter.from(table as RewriteTable)
    } catch (error) {
      expect(error).toBeInstanceOf(ProxyFixError)
      message = (error as Error).message
    }
    expect(message).toContain(says)
    expect(message).not.toMatch(/\n/)
  })

  it('names a header that has a line break in its name in one line', () => {
    expect(() => HeaderRewriter.from({ request: { set: { 'a\r\nb': '1' } } })).toThrow(/^[^\n\r]*$/)
    expect(() => HeaderRewriter.from({ request: { set: { 'a\r\nb': 'bad\n' } } })).toThrow(/^[^\n\r]*$/)
  })
})

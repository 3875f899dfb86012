/** Log injection: whatever a client sends, its request is one line of plain text, and each field of it can be told. */

import fc from 'fast-check'
import type { IncomingMessage } from 'node:http'
import { expect, it } from 'vitest'
import { Exchange } from '../../src/server/access-log-exchange.ts'
import { formatter } from '../../src/server/access-log-format.ts'
import { PROPERTY_TIMEOUT, PURE_RUNS } from './runs.ts'

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string(),
  fc
    .array(fc.constantFrom('"', '\\', '\n', '\r', ' ', '\x1b[2J', '\u2028', '-', '" 200 5 "', '%(h)s', 'é', '\ud800'))
    .map((parts) => parts.join('')),
)

interface Sent {
  readonly method: string
  readonly url: string
  readonly referer: string
  readonly agent: string
  readonly user: string
}

const sent: fc.Arbitrary<Sent> = fc.record({ method: text, url: text, referer: text, agent: text, user: text })

function exchangeOf({ method, url, referer, agent, user }: Sent): Exchange {
  const exchange = new Exchange({
    method,
    url,
    httpVersion: '1.1',
    headers: { referer, 'user-agent': agent, authorization: `Basic ${Buffer.from(`${user}:`).toString('base64')}` },
    socket: { remoteAddress: '203.0.113.7' },
  } as unknown as IncomingMessage) // all that is read of one
  exchange.status = 200
  exchange.end({ bytes: 5, isWhole: true })
  return exchange
}

/** What was escaped. */
function unescaped(field: string): string {
  return field.replaceAll(
    /\\(?:x([\da-f]{2})|u([\da-f]{4})|(["\\]))/g,
    (_, hex?: string, unit?: string, plain?: string) =>
      plain ?? String.fromCharCode(Number.parseInt(hex ?? unit ?? '', 16)),
  )
}

const orDash = (value: string): string => (value === '' ? '-' : value)

it(
  'tells each field of the combined format apart',
  () => {
    const lineOf = formatter('combined', false)
    const quoted = String.raw`"((?:[^"\\]|\\.)*)"`
    const grammar = new RegExp(String.raw`^203\.0\.113\.7 - (\S+) \[[^\]]+\] ${quoted} 200 5 ${quoted} ${quoted}$`)
    fc.assert(
      fc.property(sent, (request) => {
        const line = lineOf(exchangeOf(request))
        expect(line).toMatch(/^[\x20-\x7e]*$/)
        const [, user = '', requestLine = '', referer = '', agent = ''] = grammar.exec(line) ?? []
        expect(unescaped(requestLine)).toBe(`${request.method} ${request.url} HTTP/1.1`)
        expect(unescaped(referer)).toBe(orDash(request.referer))
        expect(unescaped(agent)).toBe(orDash(request.agent))
        // Half a character is not text in UTF-8, and a colon ends a name.
        const name = Buffer.from(request.user).toString().split(':', 1)[0] ?? ''
        expect(unescaped(user)).toBe(orDash(name))
      }),
      { numRuns: PURE_RUNS },
    )
  },
  PROPERTY_TIMEOUT,
)

it(
  'writes JSON in one plain line that reads back as what was sent',
  () => {
    const lineOf = formatter('json', false)
    fc.assert(
      fc.property(sent, (request) => {
        const line = lineOf(exchangeOf(request))
        expect(line).toMatch(/^[\x20-\x7e]*$/)
        expect(JSON.parse(line)).toMatchObject({
          method: request.method,
          target: request.url,
          referer: request.referer,
          userAgent: request.agent,
          client: '203.0.113.7',
          status: 200,
        })
      }),
      { numRuns: PURE_RUNS },
    )
  },
  PROPERTY_TIMEOUT,
)

it(
  'colours a line for people by nothing that a client sent',
  () => {
    const lineOf = formatter('dev', true)
    fc.assert(
      fc.property(sent, (request) => {
        expect(lineOf(exchangeOf(request))).toMatch(/^[\x20-\x7e]*$/)
      }),
      { numRuns: PURE_RUNS },
    )
  },
  PROPERTY_TIMEOUT,
)

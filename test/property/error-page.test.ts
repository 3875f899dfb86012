/** Sources stay here: no header that a client elsewhere can send makes the page of `--dev` take it for one at this machine. */

import fc from 'fast-check'
import type { IncomingMessage } from 'node:http'
import { expect, it } from 'vitest'
import { fixRequest, type ProxyFixOptions } from '../../src/index.ts'
import { mayShowSources } from '../../src/server/dev/viewer.ts'
import { PROPERTY_TIMEOUT, PURE_RUNS } from './runs.ts'

const name = fc.constantFrom(
  ...'X-Forwarded-For x-forwarded-host X-Forwarded-Proto X-Forwarded-Prefix Forwarded X-Real-IP Via Origin'.split(' '),
  ...'Sec-Fetch-Site True-Client-IP X_Forwarded_For'.split(' '),
)
const value = fc
  .array(
    fc.constantFrom(
      ...'127.0.0.1 ::1 [::1] localhost localhost:8000 203.0.113.7 for=127.0.0.1 for="[::1]" unknown same-origin none'.split(
        ' ',
      ),
      ...';, "',
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''))
const sent = fc.array(fc.tuple(name, value), { maxLength: 6 })

const settings: readonly (ProxyFixOptions | undefined)[] = [
  undefined,
  { xFor: 1, xHost: 1 },
  { forwarded: 1 },
  { xFor: 2, trustedProxies: 'loopback' },
  { xFor: 'trusted', trustedProxies: ['loopback', '203.0.113.0/24'] },
]

function requestOf(
  lines: readonly (readonly [string, string])[],
  peer: string,
  options: ProxyFixOptions | undefined,
): IncomingMessage {
  const headers: Record<string, string> = {}
  for (const [key, text] of lines) {
    const lower = key.toLowerCase()
    headers[lower] = lower in headers ? `${headers[lower]}, ${text}` : text // as Node joins them
  }
  const req = {
    method: 'GET',
    url: '/',
    headers,
    rawHeaders: lines.flat(),
    socket: { remoteAddress: peer, remotePort: 4 },
  }
  return (options === undefined ? req : fixRequest(req, options)) as unknown as IncomingMessage // all that is read of one
}

it(
  'whatever a client elsewhere sends',
  () => {
    fc.assert(
      fc.property(sent, fc.constantFrom(...settings), (lines, options) => {
        const all = [['Host', 'localhost'] as const, ...lines]
        expect(mayShowSources(requestOf(all, '203.0.113.7', options), '/')).toBe(false)
      }),
      { numRuns: PURE_RUNS },
    )
  },
  PROPERTY_TIMEOUT,
)

it.each([
  { proxy: 'appends to X-Forwarded-For', added: ['X-Forwarded-For', '203.0.113.7'] as const },
  { proxy: 'appends to Forwarded', added: ['Forwarded', 'for=203.0.113.7'] as const },
  { proxy: 'says it in its own words', added: ['X-Original-For', '203.0.113.7'] as const },
])(
  'whatever it sends through a proxy here that $proxy',
  ({ added }) => {
    fc.assert(
      fc.property(sent, fc.constantFrom(...settings), (lines, options) => {
        const all = [['Host', 'localhost'] as const, ...lines, added]
        expect(mayShowSources(requestOf(all, '127.0.0.1', options), '/')).toBe(false)
      }),
      { numRuns: PURE_RUNS },
    )
  },
  PROPERTY_TIMEOUT,
)

it(
  'whatever a page sends from a name that points here',
  () => {
    fc.assert(
      fc.property(sent, fc.constantFrom(...settings), (lines, options) => {
        const all = [['Host', 'evil.example:8000'] as const, ...lines]
        expect(mayShowSources(requestOf(all, '127.0.0.1', options), '/')).toBe(false)
      }),
      { numRuns: PURE_RUNS },
    )
  },
  PROPERTY_TIMEOUT,
)

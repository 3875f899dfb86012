/**
 * A rewriter that changes nothing must not be noticed: whatever a program calls on its response, in whatever order, the
 * bytes on the wire and what each call gives back or throws are the same with it and without.
 */

import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { duplexPair } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HeaderRewriter } from '../../src/index.ts'
import { PROPERTY_TIMEOUT, WIRE_RUNS } from './runs.ts'

/** One thing that a program does with its response. */
type Step = readonly [name: string, act: (res: ServerResponse) => unknown]

class Nothing extends HeaderRewriter {
  override rewriteResponse(): void {}
}

class Everything extends HeaderRewriter {
  override async rewrite(): Promise<void> {}
  override rewriteResponse(): void {}
}

const names = fc.constantFrom(
  'x-a',
  'X-A',
  'X-B',
  'Content-Type',
  'content-type',
  'Set-Cookie',
  'set-cookie',
  'Vary',
  'Cache-Control',
  'Date',
  'Trailer',
  'Server',
)
// Not the empty one, which Node refuses or skips by what was set before.
const badNames = fc.constantFrom('x a', 'é', 'x\r\n')
const values = fc.constantFrom('1', '2', 'a, b', '', 'caf\u00e9', 'x'.repeat(50))
const badValues = fc.constantFrom('a\r\nb', '\u20ac', undefined as unknown as string)
const lists = fc.array(values, { minLength: 1, maxLength: 3 })
const aName = fc.oneof({ weight: 30, arbitrary: names }, { weight: 1, arbitrary: badNames })
const aValue = fc.oneof(
  { weight: 20, arbitrary: values as fc.Arbitrary<string | string[] | number> },
  { weight: 5, arbitrary: lists },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 9 }) },
  { weight: 1, arbitrary: badValues },
)
const statuses = fc.constantFrom(200, 201, 204, 304, 404, 500, 299, 999)
const badStatuses = fc.constantFrom(
  99,
  1000,
  0,
  '204' as unknown as number,
  Number.NaN,
  200.9,
  '200 OK' as unknown as number,
)
const aStatus = fc.oneof({ weight: 12, arbitrary: statuses }, { weight: 1, arbitrary: badStatuses })
const goodReasons = fc.constantFrom('Fine', '', 'Two words') // one mistake at a time: which is met first may differ
const BAD_REASON = 'bad\r\nreason'
const reasons = fc.oneof({ weight: 8, arbitrary: goodReasons }, { weight: 1, arbitrary: fc.constant(BAD_REASON) })
const records = fc
  .uniqueArray(fc.tuple(aName, aValue), { maxLength: 4, selector: ([name]) => name.toLowerCase() })
  .map((pairs): Record<string, unknown> => Object.fromEntries(pairs))
const flats = fc
  .uniqueArray(fc.tuple(aName, aValue), { maxLength: 4, selector: ([name]) => name.toLowerCase() })
  .map((pairs) => pairs.flat() as unknown as Record<string, unknown>)
const heads = fc.oneof(
  { weight: 8, arbitrary: records },
  { weight: 6, arbitrary: flats },
  { weight: 1, arbitrary: fc.constantFrom(undefined, null) as unknown as fc.Arbitrary<Record<string, unknown>> },
)
const chunks = fc.constantFrom('one', '', 'x'.repeat(2000), Buffer.from('bytes'))

type Any = Record<string, (...args: unknown[]) => unknown>

function step(name: string, ...args: unknown[]): Step {
  // Copies: `appendHeader` adds to the very list that it was given first.
  return [`${name}(${JSON.stringify(args)})`, (res) => (res as unknown as Any)[name]!(...structuredClone(args))]
}

function assigning(name: 'statusCode' | 'statusMessage', value: unknown): Step {
  return [`${name} = ${JSON.stringify(value)}`, (res) => Reflect.set(res, name, value)]
}

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(aName, aValue).map(([name, value]) => step('setHeader', name, value)) },
  { weight: 1, arbitrary: fc.constant(step('setHeader', 'Connection', 'close')) },
  { weight: 2, arbitrary: aName.map((name) => step('removeHeader', name)) },
  { weight: 3, arbitrary: fc.tuple(aName, aValue).map(([name, value]) => step('appendHeader', name, value)) },
  { weight: 1, arbitrary: names.map((name) => step('setHeaders', new Map([[name, '7']]))) },
  { weight: 2, arbitrary: statuses.map((status) => assigning('statusCode', status)) },
  { weight: 1, arbitrary: reasons.map((reason) => assigning('statusMessage', reason)) },
  { weight: 2, arbitrary: aStatus.map((status) => step('writeHead', status)) },
  { weight: 2, arbitrary: fc.tuple(aStatus, reasons).map((args) => step('writeHead', ...args)) },
  { weight: 5, arbitrary: fc.tuple(aStatus, heads).map((args) => step('writeHead', ...args)) },
  { weight: 3, arbitrary: fc.tuple(aStatus, goodReasons, heads).map((args) => step('writeHead', ...args)) },
  {
    weight: 1,
    arbitrary: fc.tuple(aStatus, fc.constant(undefined), records).map((args) => step('writeHead', ...args)),
  },
  { weight: 3, arbitrary: chunks.map((chunk) => step('write', chunk)) },
  { weight: 2, arbitrary: fc.constant(step('flushHeaders')) },
  { weight: 1, arbitrary: fc.constant(step('writeContinue')) },
  { weight: 1, arbitrary: fc.constant(step('writeProcessing')) },
  { weight: 1, arbitrary: fc.constant(step('writeEarlyHints', { link: '</a.css>; rel=preload' })) },
  { weight: 1, arbitrary: fc.constant(step('addTrailers', { 'X-Trailer': 'end' })) },
  { weight: 1, arbitrary: fc.constant(step('cork')) }, // which end() undoes; an uncork() too many leaves Node waiting
  { weight: 2, arbitrary: chunks.map((chunk) => step('end', chunk)) },
)

/**
 * Older releases of Node write a list of headers over those that were set before in their old places, newer ones put it
 * behind them. A rewriter does the latter on both; the order of names means nothing (RFC 9110 §5.3).
 */
const KEEPS_PLACES = Number(process.versions.node.split('.')[0]) < 24

describe('a rewriter that changes nothing', () => {
  let program: readonly Step[] = []
  let story: string[] = []

  function listener(_req: IncomingMessage, res: ServerResponse): void {
    res.sendDate = false
    res.on('error', (error) => story.push(`error event: ${(error as { code?: string }).code ?? String(error)}`))
    for (const [name, act] of program) {
      if (res.destroyed) break
      const hasBadReason = res.statusMessage === BAD_REASON
      try {
        const given = act(res)
        story.push(`${name}: ${given === res ? 'itself' : typeof given === 'object' ? 'an object' : String(given)}`)
      } catch (error) {
        // What a program does after that has tests of its own: node-response.test.ts.
        // A reason assigned before is a mistake of its own: Node meets it before one of the call's only where no header is set.
        const code = hasBadReason ? 'refused' : ((error as { code?: string }).code ?? String(error))
        story.push(`${name}: ${code}`, `${res.headersSent}`)
        return void res.destroy()
      }
      story.push(`${res.headersSent} ${res.statusCode} ${res.statusMessage}`)
    }
    try {
      res.end()
    } catch (error) {
      story.push(String(error))
      res.destroy()
    }
  }

  const servers = [
    http.createServer(listener),
    http.createServer(new Nothing().wrap(listener)),
    new Everything().wrap(http.createServer(new Nothing().wrap(listener))),
  ]
  /** What a program comes to on one server, over a connection without a network: that is faster, and uses up no ports. */
  async function run(server: http.Server, request: string): Promise<{ lines: string[]; story: string[] }> {
    story = []
    const [client, connection] = duplexPair()
    let bytes = ''
    client.setEncoding('latin1').on('data', (chunk: string) => (bytes += chunk))
    const closed = new Promise((resolve) => {
      client.once('end', resolve)
      connection.once('close', resolve)
    })
    server.emit('connection', connection)
    client.write(request)
    // A program can leave Node waiting for ever (it writes behind its end): nothing comes any more then, as all of this
    // happens in one process and no timer is in it.
    await Promise.race([closed, turns(50)])
    await turns(2) // what was on its way
    connection.destroy()
    const lines = bytes.replace(/^Date: .*\r\n/gim, '').split('\r\n')
    return { lines: KEEPS_PLACES ? lines.toSorted() : lines, story: [...story] }
  }

  async function turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
  }

  it(
    'is not noticed, whatever is called on the response',
    async () => {
      let sent = 0
      await fc.assert(
        fc.asyncProperty(
          fc.array(steps, { minLength: 1, maxLength: 8 }),
          fc.constantFrom('GET', 'HEAD', 'POST'),
          fc.constantFrom('HTTP/1.1', 'HTTP/1.0'),
          async (given, method, version) => {
            program = given
            const request = `${method} / ${version}\r\nHost: app\r\nConnection: close\r\n\r\n`
            const bare = await run(servers[0]!, request)
            expect(await run(servers[1]!, request)).toStrictEqual(bare)
            expect(await run(servers[2]!, request)).toStrictEqual(bare)
            if (bare.lines.length > 1) sent++
          },
        ),
        { numRuns: WIRE_RUNS * 5 },
      )
      expect(sent).toBeGreaterThan(WIRE_RUNS)
    },
    PROPERTY_TIMEOUT,
  )
})

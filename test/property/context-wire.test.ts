/**
 * The same over real connections: requests of any shape, some pipelined on one connection, some on connections of their
 * own, some aborted, whose bodies come in pieces and whose answers wait for each other. Each of them looks where it is at
 * every event of its request, its response and its own timers and files.
 */

import { readFile } from 'node:fs'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import net from 'node:net'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  ContextVar,
  g,
  isBound,
  onTeardown,
  request,
  requestContext,
  streamWithContext,
} from '../../src/context/index.ts'
import { close, exchange, listen, parseResponses } from '../fixtures/raw-http.ts'
import { PROPERTY_TIMEOUT, WIRE_RUNS } from './runs.ts'

interface Visit {
  readonly body: string
  /** What is waited for before the answer. */
  readonly waits: readonly ('tick' | 'immediate' | 'timer' | 'file' | 'promise')[]
  /** How the answer goes out. */
  readonly answer: 'end' | 'write' | 'pipe'
  /** When the listeners are added. */
  readonly isLate: boolean
}

const visit: fc.Arbitrary<Visit> = fc.record({
  body: fc.string({ unit: 'grapheme-ascii', maxLength: 20 }),
  waits: fc.array(fc.constantFrom('tick', 'immediate', 'timer', 'file', 'promise'), { maxLength: 4 }),
  answer: fc.constantFrom('end', 'write', 'pipe'),
  isLate: fc.boolean(),
})

/** Requests that share a connection, and whether their client goes away in the middle. */
interface Connection {
  readonly visits: readonly Visit[]
  readonly isAborted: boolean
}

const connections = fc.array(
  fc.record({ visits: fc.array(visit, { minLength: 1, maxLength: 4 }), isAborted: fc.boolean() }),
  { minLength: 1, maxLength: 5 },
)

const variable = new ContextVar<string>('name')

describe('context over connections', () => {
  let port = 0
  let visits: ReadonlyMap<string, Visit> = new Map()
  let complaints: string[] = []
  let arrived = 0
  let over = 0

  function look(name: string, event: string): void {
    const seen = isBound(request) ? `${request.url} ${String(g['name'])} ${variable.get('none')}` : 'nothing'
    if (seen !== `${name} ${name} ${name}`) complaints.push(`${name} at ${event} saw ${seen}`)
  }

  const wait = (what: Visit['waits'][number]): Promise<unknown> =>
    new Promise((resolve) => {
      if (what === 'tick') process.nextTick(resolve)
      else if (what === 'immediate') setImmediate(resolve)
      else if (what === 'timer') setTimeout(resolve, 1)
      else if (what === 'file') readFile(import.meta.filename, resolve)
      else queueMicrotask(() => resolve(undefined))
    })

  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const name = String(req.url)
    const { waits, answer, isLate } = visits.get(name)!
    arrived++
    if (isBound(request) && (g['name'] !== undefined || variable.get('none') !== 'none'))
      complaints.push(`${name} began with ${String(g['name'])}`)
    g['name'] = name
    variable.set(name)
    onTeardown(() => {
      look(name, 'teardown')
      over++
    })
    if (isLate) await wait('immediate')
    for (const event of ['data', 'end', 'close', 'error']) req.on(event, () => look(name, event))
    for (const event of ['finish', 'close', 'error']) res.once(event, () => look(name, event))
    for (const what of waits) {
      await wait(what)
      look(name, what)
    }
    if (answer === 'pipe') {
      let left = 2
      const stream = new Readable({
        read() {
          look(name, 'read')
          setImmediate(() => this.push(left-- > 0 ? 'x' : null))
        },
      })
      streamWithContext(stream).pipe(res)
      return
    }
    if (answer === 'write') res.write('x', () => look(name, 'written'))
    res.end(answer === 'write' ? 'x' : 'xx', () => look(name, 'ended'))
  }

  const server = http.createServer(requestContext((req: IncomingMessage, res: ServerResponse) => void serve(req, res)))
  beforeAll(async () => {
    port = await listen(server)
  })
  afterAll(() => close(server))

  const text = (name: string, { body }: Visit, isLast: boolean): string =>
    `POST ${name} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n${isLast ? 'Connection: close\r\n' : ''}\r\n${body}`

  /** Sends all requests of a connection at once, and reads the answers, or goes away when the first has come. */
  async function connect(name: string, { visits: all, isAborted }: Connection): Promise<void> {
    const sent = all.map((each, index) => text(`/${name}/${index}`, each, index === all.length - 1)).join('')
    if (!isAborted) {
      const responses = parseResponses(await exchange(port, sent))
      expect(responses.map(({ body }) => body)).toStrictEqual(all.map(() => 'xx'))
      return
    }
    const socket = net.connect(port, '127.0.0.1')
    await new Promise<void>((resolve) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.destroy())
      socket.on('close', () => resolve())
      socket.write(sent)
    })
  }

  it(
    'is that of each request at each of its events',
    async () => {
      await fc.assert(
        fc.asyncProperty(connections, async (drawn) => {
          complaints = []
          arrived = over = 0
          visits = new Map(
            drawn.flatMap(({ visits: all }, number) =>
              all.map((each, index) => [`/${number}/${index}`, each] as const),
            ),
          )
          await Promise.all(drawn.map((connection, number) => connect(`${number}`, connection)))
          await expect.poll(() => over, { interval: 1 }).toBe(arrived)
          expect(complaints).toStrictEqual([])
          expect(isBound(request)).toBe(false)
        }),
        { numRuns: WIRE_RUNS },
      )
    },
    PROPERTY_TIMEOUT,
  )
})

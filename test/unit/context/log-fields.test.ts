/** Lines of a log that tell which request they belong to, written by the loggers themselves. */

import { Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import pino from 'pino'
import { describe, expect, it } from 'vitest'
import winston from 'winston'
import {
  ContextError,
  ContextVar,
  copyContext,
  logFields,
  logFormat,
  requestContext,
} from '../../../src/context/index.ts'
import { proxyFix, ProxyFixError } from '../../../src/index.ts'

const user = new ContextVar<string>('user')
const OPTIONS = {
  requestIdHeader: 'X-Request-Id',
  fields: {
    user,
    always: () => 1,
    never: () => {
      throw new ContextError('not bound')
    },
  },
}

/** A stream that keeps what is written, line by line. */
function lines(): { stream: Writable; written: () => Record<string, unknown>[] } {
  let text = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk)
      done()
    },
  })
  const parse = (line: string): Record<string, unknown> => JSON.parse(line) as Record<string, unknown>
  return { stream, written: () => text.trim().split('\n').map(parse) }
}

const LOGGERS: readonly { name: string; make(stream: Writable): { info(text: string): unknown } }[] = [
  { name: 'pino’s mixin', make: (stream) => pino({ mixin: logFields(OPTIONS), base: null, timestamp: false }, stream) },
  {
    name: 'a format of winston',
    make: (stream) =>
      winston.createLogger({
        format: winston.format.combine(logFormat(OPTIONS), winston.format.json()),
        transports: new winston.transports.Stream({ stream }),
      }),
  },
]

describe.each(LOGGERS)('$name', ({ make }) => {
  it('adds the id, the client and the chosen fields of each request', async () => {
    const { stream, written } = lines()
    const logger = make(stream)
    const app = proxyFix(
      requestContext(async (request: Request) => {
        logger.info(`${request.url} begins`)
        user.set(new URL(request.url).pathname.slice(1))
        await turn()
        logger.info(`${request.url} ends`)
        return new Response(null)
      }),
      { xFor: 1 },
    )
    const ask = async (name: string, headers: Record<string, string>): Promise<Response> =>
      await app(new Request(`http://a/${name}`, { headers }))
    await Promise.all([
      ask('ada', { 'x-request-id': 'first', 'x-forwarded-for': '203.0.113.1' }),
      ask('grace', { 'x-forwarded-for': '203.0.113.2' }),
    ])
    copyContext().run(() => logger.info('elsewhere'))
    await turn()
    const entries = written()
    expect(entries).toMatchObject([
      { requestId: 'first', clientAddress: '203.0.113.1', always: 1 },
      { requestId: expect.stringMatching(/^[\da-f-]{36}$/) as string, clientAddress: '203.0.113.2', always: 1 },
      { requestId: 'first', clientAddress: '203.0.113.1', user: 'ada' },
      { requestId: entries[1]!['requestId'], clientAddress: '203.0.113.2', user: 'grace' },
      { always: 1 },
    ])
    expect(entries[0]).not.toHaveProperty('user')
    expect(entries[4]).not.toHaveProperty('requestId')
    expect(entries.every((entry) => !('never' in entry))).toBe(true)
  })
})

describe('logFields', () => {
  it('leaves the address out where the request was not fixed', () => {
    const seen: unknown[] = []
    requestContext((_request: Request) => {
      seen.push(Object.keys(logFields()()))
      return new Response()
    })(new Request('http://a/'))
    expect(seen).toStrictEqual([['requestId']])
    expect(logFields()()).toStrictEqual({})
  })

  it('hands on what a field throws, unless it is not bound', () => {
    const fields = logFields({
      fields: {
        broken: () => {
          throw new RangeError('of its own')
        },
      },
    })
    expect(fields).toThrow(RangeError)
  })

  it.each<{ options: unknown; message: RegExp }>([
    { options: { field: {} }, message: /no option 'field': it takes requestIdHeader and fields/ },
    { options: { requestIdHeader: '' }, message: /is the name of a header, not ''/ },
    { options: { fields: { a: 1 } }, message: /The field a must be a ContextVar or a function, not 1/ },
  ])('refuses $options', ({ options, message }) => {
    expect(() => logFields(options as never)).toThrow(ProxyFixError)
    expect(() => logFormat(options as never)).toThrow(message)
  })
})

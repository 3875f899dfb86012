/** A Response is rewritten in place, or by a copy where it must not be: locked headers, another status, no body. */

import http, { type ServerResponse } from 'node:http'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { HeaderRewriter, type RewritableResponse } from '../../../src/index.ts'
import { isFetchResponse, rewriteFetchResponse } from '../../../src/request/fetch-response.ts'
import { close, listen } from '../../fixtures/raw-http.ts'

function handlerOf(response: () => Response, rewriteResponse: (response: RewritableResponse) => void): () => Response {
  const wrapped = Object.assign(new HeaderRewriter(), { rewriteResponse }).wrap((_request: Request) => response())
  return () => wrapped(new Request('http://app.example/'))
}

const mark = ({ headers }: RewritableResponse): void => headers.append('x-mark', '1')

describe('a Response', () => {
  it('with a body is the same one afterwards', async () => {
    const response = new Response('x')
    expect(rewriteFetchResponse(response, mark)).toBe(response)
    expect([response.headers.get('x-mark'), await response.text()]).toStrictEqual(['1', 'x'])
  })

  it('without a body is another one, as an app may hand out the same for every request', () => {
    const shared = new Response(null, { status: 304, statusText: 'As it was', headers: { etag: '"1"' } })
    const ask = handlerOf(() => shared, mark)
    for (const _ of [1, 2, 3]) {
      const answer = ask()
      expect([answer.status, answer.statusText, answer.headers.get('etag')]).toStrictEqual([304, 'As it was', '"1"'])
      expect(answer.headers.get('x-mark')).toBe('1')
    }
    expect(shared.headers.has('x-mark')).toBe(false)
  })

  it('without a body collects no cookies either', () => {
    const shared = new Response(null, { headers: [['set-cookie', 'a=1']] })
    const ask = handlerOf(
      () => shared,
      ({ headers }) => headers.append('set-cookie', 'b=2'),
    )
    ask()
    expect(ask().headers.getSetCookie()).toStrictEqual(['a=1', 'b=2'])
  })

  it('of Response.redirect() and Response.error()', () => {
    const redirected = rewriteFetchResponse(Response.redirect('https://shop.example/', 303), mark)
    expect([redirected.status, redirected.headers.get('location'), redirected.headers.get('x-mark')]).toStrictEqual([
      303,
      'https://shop.example/',
      '1',
    ])
    const failed = Response.error()
    expect(rewriteFetchResponse(failed, mark)).toBe(failed)
  })

  it('of fetch(), whose headers are locked, with its cookies and its body as it streams', async () => {
    let finish = (): void => undefined
    const server = http.createServer((_, res: ServerResponse) => {
      res.setHeader('set-cookie', ['a=1', 'b=2'])
      res.statusCode = 201
      res.statusMessage = 'Fine'
      res.write('first,')
      finish = () => res.end('second')
    })
    onTestFinished(() => close(server))
    const port = await listen(server)
    const received = await fetch(`http://127.0.0.1:${port}/`)
    const rewritten = rewriteFetchResponse(received, ({ headers }) => {
      headers.append('set-cookie', 'c=3')
      headers.set('x-mark', '1')
    })
    expect([rewritten.status, rewritten.statusText, rewritten.headers.get('x-mark')]).toStrictEqual([201, 'Fine', '1'])
    expect(rewritten.headers.getSetCookie()).toStrictEqual(['a=1', 'b=2', 'c=3'])
    const reader = rewritten.body!.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader.read()).value).toBe('first,')
    finish() // only now, so nothing has waited for the end
    expect((await reader.read()).value).toBe('second')
  })

  it('that streams is not read by anybody', async () => {
    const pull = vi.fn<() => void>()
    const body = new ReadableStream({ pull }, { highWaterMark: 0 })
    const rewritten = rewriteFetchResponse(new Response(body), (response) => {
      response.status = 202
      response.headers.set('x-mark', '1')
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(pull).not.toHaveBeenCalled()
    expect(rewritten.body!.locked).toBe(false)
  })

  it.each([204, 304])('whose status becomes %i loses body and framing, and lets go of the stream', async (status) => {
    const cancel = vi.fn<() => void>()
    const response = new Response(new ReadableStream({ cancel }), { headers: { 'content-length': '7', 'x-a': '1' } })
    const rewritten = rewriteFetchResponse(response, (head) => void (head.status = status))
    expect([rewritten.status, rewritten.body, [...rewritten.headers]]).toStrictEqual([status, null, [['x-a', '1']]])
    await new Promise((resolve) => setImmediate(resolve))
    expect(cancel).toHaveBeenCalledOnce()
  })

  it.each([
    {
      what: 'fails at that',
      body: () =>
        new ReadableStream({
          cancel() {
            throw new Error('mine')
          },
        }),
    },
    { what: 'somebody else reads', body: () => new ReadableStream(), lock: true },
  ])('is let go of without an end to the process when its stream $what', async ({ body, lock }) => {
    const unhandled = vi.fn<(reason: unknown) => void>()
    process.on('unhandledRejection', unhandled)
    onTestFinished(() => void process.off('unhandledRejection', unhandled))
    const response = new Response(body())
    if (lock === true) response.body!.getReader()
    expect(rewriteFetchResponse(response, (head) => void (head.status = 204)).status).toBe(204)
    await new Promise((resolve) => setImmediate(resolve))
    expect(unhandled).not.toHaveBeenCalled()
  })

  it('has the reason of its own status, and none of another', () => {
    const response = (): Response => new Response('x', { status: 200, statusText: 'Fine' })
    const changed = rewriteFetchResponse(response(), (head) => void (head.status = 404))
    expect([changed.status, changed.statusText]).toStrictEqual([404, ''])
    expect(rewriteFetchResponse(response(), mark).statusText).toBe('Fine')
  })

  it('of an upgrade is the platform’s own', () => {
    const upgrade = Object.create(new Response(), { status: { value: 101 } }) as Response
    const act = vi.fn<() => void>()
    expect(rewriteFetchResponse(upgrade, act)).toBe(upgrade)
    expect(act).not.toHaveBeenCalled()
  })

  it.each([
    { value: new Response(), is: true },
    { value: { status: 200, headers: new Headers(), arrayBuffer: (): unknown => undefined }, is: true },
    { value: { status: 200, headers: {} }, is: false },
    { value: new Request('http://app.example/'), is: false },
    { value: null, is: false },
    { value: undefined, is: false },
    { value: 'x', is: false },
  ])('is told from what is none ($is)', ({ value, is }) => {
    expect(isFetchResponse(value)).toBe(is)
  })
})

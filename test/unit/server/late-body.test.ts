/**
 * A Response whose body is made late must not be told from one whose body is made at once: every probe here is run with
 * Node's own class first, then with the one in its place.
 */

import { Readable } from 'node:stream'
import { inspect } from 'node:util'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { makeBodiesLate, takeBody } from '../../../src/server/late-body.ts'

const Native = globalThis.Response

/** What a promise or a call gave, or failed with. */
async function outcome(act: () => unknown): Promise<unknown> {
  try {
    return await act()
  } catch (error) {
    const { name, message } = error as Error
    return { isError: error instanceof Error, name, message }
  }
}

const head = (response: Response): unknown => ({
  status: response.status,
  statusText: response.statusText,
  ok: response.ok,
  type: response.type,
  url: response.url,
  redirected: response.redirected,
  headers: [...response.headers],
})

const whole = async (response: Response): Promise<unknown> => ({
  head: head(response),
  bodyUsed: response.bodyUsed,
  hasBody: response.body !== null,
  text: await response.text(),
  isUsedThen: response.bodyUsed,
  isLockedThen: response.body?.locked,
})

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A view of a part of a buffer, as those of Node's pool are. */
const partOfBuffer = (): Uint8Array => new Uint8Array(bytes('(inside)').buffer, 1, 6)

const detached = (): Uint8Array => {
  const view = new Uint8Array(8)
  structuredClone(view.buffer, { transfer: [view.buffer] })
  return view
}

/** What a Response is made of. */
const BODIES: Record<string, () => unknown> = {
  'a text': () => 'Hello',
  'a text with other letters': () => 'Grüße, \u{1F600} 你好',
  'a text with half a pair': () => 'a\uD800b',
  'a text with a byte order mark': () => '\uFEFFa',
  'an empty text': () => '',
  bytes: () => bytes('Hello'),
  'no bytes': () => new Uint8Array(0),
  'a Buffer': () => Buffer.from('Hello'),
  'a part of a buffer': partOfBuffer,
  'bytes whose buffer is gone': detached,
  'bytes that others share': () => new Uint8Array(new SharedArrayBuffer(4)),
  'bytes of a buffer that grows': () =>
    new Uint8Array(Reflect.construct(ArrayBuffer, [4, { maxByteLength: 8 }]) as ArrayBuffer),
  'an ArrayBuffer': () => bytes('Hello').buffer,
  'a DataView': () => new DataView(bytes('Hello').buffer),
  'numbers of two bytes': () => new Uint16Array([65, 66]),
  'a String object': () => new String('Hello'),
  'a number': () => 42,
  'a symbol': () => Symbol('s'),
  'an object': () => ({ a: 1 }),
  'parameters of a URL': () => new URLSearchParams({ a: 'b c' }),
  'a Blob': () => new Blob(['Hello'], { type: 'text/html' }),
  'a stream': () => new Blob(['Hello']).stream(),
  null: () => null,
  nothing: () => undefined,
}

const INITS: Record<string, () => unknown> = {
  nothing: () => undefined,
  null: () => null,
  'an empty object': () => ({}),
  'a number': () => 7,
  'a text': () => 'init',
  'a status': () => ({ status: 404, statusText: 'Nicht da' }),
  'a status in words': () => ({ status: '404' }),
  'a status too small': () => ({ status: 199 }),
  'a status too large': () => ({ status: 600 }),
  'no status at all': () => ({ status: Number.NaN }),
  204: () => ({ status: 204 }),
  205: () => ({ status: 205 }),
  304: () => ({ status: 304 }),
  'a bad status text': () => ({ statusText: 'a\r\nb' }),
  'a type': () => ({ headers: { 'Content-Type': 'text/html' } }),
  'an empty type': () => ({ headers: { 'Content-Type': '' } }),
  'a list of headers': () => ({
    headers: [
      ['Set-Cookie', 'a=1'],
      ['X-B', ' b '],
      ['set-cookie', 'b=2'],
      ['x-b', 'c'],
    ],
  }),
  Headers: () => ({ headers: new Headers({ b: '1', a: '2' }) }),
  'headers of a generator': () => ({
    headers: (function* () {
      yield ['a', 'b']
    })(),
  }),
  'a bad name': () => ({ headers: { 'a b': 'c' } }),
  'a bad value': () => ({ headers: { a: 'b\r\nc' } }),
  'a value of no bytes': () => ({ headers: { a: '你' } }),
  'no headers': () => ({ headers: null }),
  'another Response': () => new Response('other', { status: 201, headers: { a: 'b' } }),
  'a getter that throws': () => ({
    get status() {
      throw new RangeError('no')
    },
  }),
}

/** What is done with a Response of a text. */
const USES: Record<string, (response: Response) => unknown> = {
  'text of a Proxy of it': (response) =>
    new Proxy(response, { get: (of, key, shown) => Reflect.get(of, key, shown) }).text(),
  'clone of a Proxy of it': async (response) => await new Proxy(response, {}).clone().text(),
  'text of what inherits from it': (response) => (Object.create(response) as Response).text(),
  'use of what inherits from it': (response) => (Object.create(response) as Response).bodyUsed,
  text: (response) => response.text(),
  json: (response) => response.json(),
  arrayBuffer: async (response) => [...new Uint8Array(await response.arrayBuffer())],
  blob: async (response) => {
    const blob = await response.blob()
    return [blob.type, blob.size, await blob.text()]
  },
  'blob after its type has changed': async (response) => {
    response.headers.set('content-type', 'image/png')
    return (await response.blob()).type
  },
  'blob without a type': async (response) => {
    response.headers.delete('content-type')
    return (await response.blob()).type
  },
  'blob, changed after the body was seen': async (response) => {
    void response.body
    response.headers.set('content-type', 'image/png')
    return (await response.blob()).type
  },
  formData: (response) => response.formData(),
  'formData of a form': async (response) => {
    response.headers.set('content-type', 'application/x-www-form-urlencoded')
    return [...(await response.formData())]
  },
  'text twice': async (response) => [await response.text(), await outcome(() => response.text())],
  'clone after text': async (response) => [await response.text(), await outcome(() => response.clone())],
  'clone of one that is locked': (response) => {
    response.body!.getReader()
    return response.clone()
  },
  'text of one that is locked': (response) => {
    response.body!.getReader()
    return response.text()
  },
  'clone, both read': async (response) => {
    response.headers.set('x-later', 'yes')
    response.headers.delete('content-type')
    const copy = response.clone()
    copy.headers.set('x-copy', 'yes')
    return [await whole(copy), await whole(response), copy instanceof Response, copy.constructor === Response]
  },
  'clone of a clone': async (response) => {
    const copy = response.clone().clone()
    return [await copy.text(), await response.text()]
  },
  'body, each time the same': (response) => [response.body === response.body, response.body instanceof ReadableStream],
  'body in parts': async (response) => {
    const parts = []
    for await (const chunk of response.body!) parts.push([...(chunk as Uint8Array)])
    return [parts, response.bodyUsed]
  },
  'a reader that brings its own buffer': async (response) => {
    const reader = (response.body as ReadableStream).getReader({ mode: 'byob' })
    const { value } = await reader.read(new Uint8Array(64))
    return [...(value as Uint8Array)]
  },
  'body cancelled': async (response) => [await response.body!.cancel(), response.bodyUsed],
  'body in two': async (response) => {
    const [a, b] = response.body!.tee()
    return [await new Response(a).text(), await new Response(b).text(), response.bodyUsed]
  },
  'a Node stream of it': async (response) => {
    const chunks = []
    for await (const chunk of Readable.fromWeb(response.body as never)) chunks.push(chunk as Uint8Array)
    return Buffer.concat(chunks).toString()
  },
  'a Response of its body': async (response) => whole(new Response(response.body, response)),
  'a Response of it as init': async (response) => whole(new Response('other', response)),
  'a Response of the Response': async (response) => whole(new Response(response as never)),
  'a Request of its body': async (response) =>
    new Request('http://a/', { method: 'POST', body: response.body, duplex: 'half' } as RequestInit).text(),
  'its headers': (response) => {
    response.headers.append('Set-Cookie', 'a')
    response.headers.append('Set-Cookie', 'b')
    return [response.headers === response.headers, [...response.headers], response.headers.getSetCookie()]
  },
  'a bad header': (response) => response.headers.set('a b', 'c'),
  'an assignment': (response) =>
    outcome(() => Object.assign(response, { status: 500 })).then((result) => Reflect.get(result as object, 'name')), // V8 words it by the class
  'its own properties': (response) => Object.keys(response),
  'what is printed of it': (response) => inspect(response).replace(/Symbol\(state\)[^]*/, ''),
  'its tag': (response) => Object.prototype.toString.call(response),
  'what is in it': (response) => {
    const names = []
    for (const name in response) names.push(name)
    return names.toSorted()
  },
  'a structured clone': (response) => structuredClone(response),
  JSON: (response) => JSON.stringify(response),
  'a part of another': (response) => Native.prototype.text.call(response),
  'WebAssembly of the wrong type': (response) => WebAssembly.compileStreaming(response),
  'WebAssembly of the wrong bytes': (response) => {
    response.headers.set('content-type', 'application/wasm')
    return WebAssembly.compileStreaming(response).catch((error: Error) => error.name)
  },
}

/** What is done with the class. */
const CLASS: Record<string, () => unknown> = {
  'instanceof, both ways': async () => {
    const made = new Response('a')
    const native = new Native('a')
    const fetched = await fetch('data:text/plain,a')
    return [made, native, fetched].map((response) => [response instanceof Response, response instanceof Native])
  },
  'the class of a Response': async () =>
    [new Response('a'), new Native('a'), await fetch('data:,a'), Response.error(), Response.json(1)].map((response) => [
      response.constructor === Response,
      Object.getPrototypeOf(response) === Response.prototype,
    ]),
  'a body with a status that has none, when it is made': () => new Response('a', { status: 204 }).status,
  'its name, its length and its parent': () => [
    Response.name,
    Response.length,
    Object.getPrototypeOf(Response) === Function.prototype,
    typeof Response,
  ],
  'its members': () => [
    Reflect.ownKeys(Response).map(String).toSorted(),
    Reflect.ownKeys(Response.prototype).map(String).toSorted(),
  ],
  'how its members are described': () =>
    Reflect.ownKeys(Response.prototype).map((name) => {
      const { get, set, value, ...others } = Object.getOwnPropertyDescriptor(Response.prototype, name)!
      const functions = [get, set, value].map((part) => typeof part === 'function' && [part.name, part.length])
      return [String(name), name === 'constructor' ? 0 : functions, others]
    }),
  'how the global is described': () => {
    const { enumerable, configurable } = Object.getOwnPropertyDescriptor(globalThis, 'Response')!
    return [enumerable, configurable, Object.keys(globalThis).includes('Response')]
  },
  'a call without new': () => (Response as unknown as () => unknown)(),
  'a getter of nothing': () => Response.prototype.body,
  'a method of another object': () => Response.prototype.text.call({} as Response),
  'a method of nothing': () => Response.prototype.text.call(undefined as unknown as Response),
  'bodyUsed of another object': () =>
    Reflect.apply(Object.getOwnPropertyDescriptor(Response.prototype, 'bodyUsed')!.get!, {}, []),
  error: () => head(Response.error()),
  redirect: () => head(Response.redirect('http://a/b', 301)),
  'redirect to nowhere': () => Response.redirect('nowhere'),
  'redirect with another status': () => Response.redirect('http://a/', 200),
  'headers of a redirect, which are locked': () => Response.redirect('http://a/').headers.set('a', 'b'),
  json: async () => whole(Response.json({ a: ['ü', null] })),
  'json of a text': async () => whole(Response.json('a')),
  'json with a status': async () => whole(Response.json(1, { status: 418, statusText: 'Tea', headers: { a: 'b' } })),
  'json with a type': async () => whole(Response.json(1, { headers: { 'content-type': 'application/problem+json' } })),
  'json without a body': () => Response.json(1, { status: 204 }),
  'json with a bad status': () => Response.json(1, { status: 9 }),
  'json with a bad header': () => Response.json(1, { headers: { 'a b': 'c' } }),
  'json with null': () => Response.json(1, null as unknown as ResponseInit),
  'json of nothing': () => Response.json(undefined),
  'json of no argument': () => (Response.json as () => unknown)(),
  'json of a function': () => Response.json(() => 1),
  'json of a circle': () => {
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    return Response.json(circle).status
  },
  'json of a big number': () => Response.json(1n),
  'json, how often it is asked for': () => {
    let asked = 0
    Response.json({ toJSON: () => ++asked })
    return asked
  },
  'json by itself': async () => {
    const { json } = Response
    return whole(json({ a: 1 }))
  },
  'a subclass': async () => {
    class Page extends Response {
      readonly kind: string
      constructor(text: string) {
        super(text, { headers: { 'x-kind': 'page' } })
        this.kind = 'page'
      }
      shout(): Promise<string> {
        return this.text().then((text) => text.toUpperCase())
      }
    }
    const page = new Page('hello')
    return [
      page instanceof Page,
      page instanceof Response,
      page.kind,
      head(page),
      page.constructor === Page,
      page.clone().constructor === Response,
      await page.shout(),
      Page.json(1) instanceof Page,
    ]
  },
  'a subclass that has its own head and body': async () => {
    class Own extends Response {
      override get status(): number {
        return 299
      }
      override get headers(): Headers {
        return new Headers({ 'x-own': 'yes' })
      }
      override get body(): Response['body'] {
        return new Blob(['own']).stream() as Response['body']
      }
    }
    const own = new Own('hello')
    return [own.status, [...own.headers], await new Response(own.body).text(), await own.text()]
  },
  'an older way to inherit': () => {
    function Old(this: object): object {
      return Reflect.construct(Response, ['a'], Old as never) as object
    }
    Object.setPrototypeOf(Old.prototype, Response.prototype)
    const old = new (Old as unknown as new () => Response)()
    return [old instanceof Old, old.status, Object.getPrototypeOf(old) === Old.prototype]
  },
  'Reflect.construct for another class': () => {
    class Other {
      readonly kind = 'other'
    }
    const other = Reflect.construct(Response, ['a'], Other) as object
    return [other instanceof Other, Reflect.get(Response.prototype, 'status', other)]
  },
  'bytes that are written in afterwards': async () => {
    const body = bytes('before')
    const response = new Response(body as never)
    body.fill(0)
    return response.text()
  },
  'init that is changed afterwards': () => {
    const init = { status: 201, headers: { a: 'b' } }
    const response = new Response('a', init)
    init.status = 500
    init.headers.a = 'c'
    return head(response)
  },
  'init, how often it is read': () => {
    const read: string[] = []
    const init = new Proxy(
      { status: 201 },
      { get: (target, key) => (read.push(String(key)), Reflect.get(target, key)) },
    )
    void new Response('a', init)
    return read
  },
}

const PROBES: Record<string, () => unknown> = {
  ...CLASS,
  ...Object.fromEntries(
    Object.entries(BODIES).flatMap(([bodyName, body]) =>
      Object.entries(INITS).map(([initName, init]) => [
        `of ${bodyName}, init ${initName}`,
        () => whole(new Response(body() as never, init() as never)),
      ]),
    ),
  ),
  ...Object.fromEntries(
    Object.entries(USES).flatMap(([name, use]) => [
      [`${name}, of a text`, () => use(new Response('a=1&b=Grüße'))],
      [`${name}, of bytes`, () => use(new Response(bytes('a=1') as never, { status: 201, statusText: 'Made' }))],
      [`${name}, of JSON`, () => use(Response.json({ a: 1 }))],
      [`${name}, of a text that was seen`, () => (({ response }) => use(response))(seen('a=1'))],
      [`${name}, of no body`, () => use(new Response(null))],
      [`${name}, of a stream`, () => use(new Response(new Blob(['a=1']).stream()))],
    ]),
  ),
}

function seen(text: string): { response: Response; body: unknown } {
  const response = new Response(text)
  return { response, body: response.body }
}

describe('a Response whose body is made late', () => {
  const before = new Map<string, unknown>()
  beforeAll(async () => {
    for (const [name, probe] of Object.entries(PROBES)) before.set(name, await outcome(probe))
    makeBodiesLate()
    makeBodiesLate()
  })

  it('is made by another class than before', () => {
    expect(globalThis.Response).not.toBe(Native)
    expect(takeBody(new Response('a'))).toBe('a')
  })

  it.each(Object.keys(PROBES))('shows what one of Node shows: %s', async (name) => {
    expect(await outcome(PROBES[name]!)).toEqual(before.get(name))
  })

  it('has probes that tell something', () => {
    expect(before.get('of a text, init a status')).toMatchObject({ head: { status: 404 }, text: 'Hello' })
    expect(before.get('of a text, init 204')).toMatchObject({ isError: true, name: 'TypeError' })
    expect(before.get('blob after its type has changed, of a text')).toBe('image/png')
  })
})

describe('takeBody', () => {
  beforeAll(() => makeBodiesLate())

  it('gives what the body was made of', () => {
    expect(takeBody(new Response('Grüße'))).toBe('Grüße')
    expect(takeBody(new Response(''))).toBe('')
    expect(takeBody(Response.json({ a: 1 }))).toBe('{"a":1}')
    expect(takeBody(new Response(new Uint8Array([1, 2])))).toEqual(new Uint8Array([1, 2]))
  })

  it('leaves a Response behind that counts as read', async () => {
    const response = new Response('once', { headers: { a: 'b' } })
    takeBody(response)
    expect(takeBody(response)).toBeUndefined()
    expect(response.bodyUsed).toBe(true)
    expect(response.body!.locked).toBe(true)
    await expect(response.text()).rejects.toThrow(TypeError)
    expect(() => response.clone()).toThrow(TypeError)
    expect(response.headers.get('a')).toBe('b')
  })

  it.each<[string, () => Response]>([
    ['a stream', () => new Response(new Blob(['a']).stream())],
    ['a Blob', () => new Response(new Blob(['a']))],
    ['nothing', () => new Response()],
    ['a Response of the class of before', () => new Native('a')],
    ['a text whose body was asked for', () => seen('a').response],
    ['a text that was read', () => (void new Response('a').text(), tapped((r) => void r.text()))],
    ['a text that was cloned', () => tapped((response) => void response.clone())],
    ['an error', () => Response.error()],
    ['a body of its own', () => tapped((r) => Object.defineProperty(r, 'body', { get: () => null }))],
    [
      'the body of a subclass',
      () =>
        new (class extends Response {
          override get body(): null {
            return null
          }
        })('a'),
    ],
    ['an object that looks like one', () => ({ body: null, status: 200 }) as unknown as Response],
  ])('gives nothing for %s', (_, make) => {
    expect(takeBody(make())).toBeUndefined()
  })

  it('gives nothing while a patch of others shows another body', () => {
    const descriptor = Object.getOwnPropertyDescriptor(Response.prototype, 'body')!
    const response = new Response('a')
    Object.defineProperty(Response.prototype, 'body', { ...descriptor, get: () => null })
    try {
      expect(takeBody(response)).toBeUndefined()
    } finally {
      Object.defineProperty(Response.prototype, 'body', descriptor)
    }
    expect(takeBody(response)).toBe('a')
  })

  it('gives what it was made of when only its head was looked at', () => {
    const response = new Response('a')
    expect([response.bodyUsed, response.ok, [...response.headers].length]).toEqual([false, true, 1])
    expect(takeBody(response)).toBe('a')
  })

  it('gives what a subclass that leaves the body alone was made of', () => {
    class Page extends Response {}
    expect(takeBody(new Page('a'))).toBe('a')
  })
})

describe('what has wrapped a member before, and takes its wrapper away again', () => {
  const MEMBERS = ['body', 'text', 'json', 'clone'] as const
  it.each(MEMBERS)('%s, leaves Responses with their bodies', async (name) => {
    vi.resetModules()
    const { makeBodiesLate: makeLate, takeBody: takeOwn } = await import('../../../src/server/late-body.ts')
    const before = Object.getOwnPropertyDescriptor(Native.prototype, name)!
    Object.defineProperty(Native.prototype, name, wrapped(before))
    makeLate()
    expect(takeOwn(new Response('a'))).toBe('a')
    Object.defineProperty(Native.prototype, name, before)
    const response = new Response('{"a":1}')
    expect(takeOwn(response)).toBeUndefined()
    expect([await response.clone().text(), await response.clone().json(), response.body === null]).toEqual([
      '{"a":1}',
      { a: 1 },
      false,
    ])
    expect(await Response.json(1).text()).toBe('1')
  })

  function wrapped({ get, value, ...others }: PropertyDescriptor): PropertyDescriptor {
    if (get === undefined) return { ...others, value: new Proxy(value as () => unknown, {}) }
    return { ...others, get: new Proxy(get, {}) }
  }
})

describe('two copies of the package in one process', () => {
  it('take nothing from one another, and show the same', async () => {
    makeBodiesLate()
    vi.resetModules()
    const { makeBodiesLate: makeLateAgain, takeBody: takeOther } = await import('../../../src/server/late-body.ts')
    expect(makeLateAgain).not.toBe(makeBodiesLate)
    const ofFirst = new Response('first')
    makeLateAgain()
    const ofBoth = new Response('both')
    expect([takeBody(ofBoth), takeOther(ofFirst), takeBody(ofFirst)]).toEqual([undefined, undefined, undefined])
    expect([await ofFirst.text(), await ofBoth.clone().text(), await ofBoth.text()]).toEqual(['first', 'both', 'both'])
    expect(takeOther(new Response('other'))).toBe('other')
    expect(takeOther(Response.json(1))).toBe('1')
    expect([ofFirst, ofBoth, new Native('a')].every((response) => response instanceof Response)).toBe(true)
    for (const [name, probe] of Object.entries(USES)) {
      const [late, native] = [Response, Native].map((Class) => outcome(() => probe(new Class('a=1'))))
      expect([name, await late]).toEqual([name, await native])
    }
  })
})

function tapped(act: (response: Response) => unknown): Response {
  const response = new Response('a')
  act(response)
  return response
}

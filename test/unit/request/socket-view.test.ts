/**
 * What `req.socket` is made of: a view that shows another end and is in all else the real socket, listeners,
 * private fields and identity of methods included.
 */

import { once } from 'node:events'
import net from 'node:net'
import { finished, pipeline } from 'node:stream/promises'
import tls from 'node:tls'
import { types } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { familyOf, socketView, unwrapSocket } from '../../../src/request/socket-view.ts'
import { close, listen } from '../../fixtures/raw-http.ts'

const SHOWN = ['remoteAddress', 'remotePort', 'remoteFamily', 'encrypted'] as const

/** Both ends of a connection over loopback. */
async function connectedSockets(): Promise<{ real: net.Socket; other: net.Socket }> {
  const server = net.createServer()
  const port = await listen(server)
  const other = net.connect(port, '127.0.0.1')
  const [real] = (await once(server, 'connection')) as [net.Socket]
  onTestFinished(async () => {
    real.destroy()
    other.destroy()
    await close(server)
  })
  return { real, other }
}

/** The same over TLS with a key both know beforehand, which takes no certificate that could expire. */
async function connectedTlsSockets(): Promise<{ real: tls.TLSSocket; other: tls.TLSSocket }> {
  const psk = Buffer.from('0123456789abcdef')
  const options = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const
  const server = tls.createServer({ ...options, pskCallback: () => psk })
  const port = await listen(server)
  const other = tls.connect({
    ...options,
    port,
    host: '127.0.0.1',
    pskCallback: () => ({ psk, identity: 'test' }),
    checkServerIdentity: () => undefined,
  })
  const [real] = (await once(server, 'secureConnection')) as [tls.TLSSocket]
  onTestFinished(async () => {
    real.destroy()
    other.destroy()
    await close(server)
  })
  return { real, other }
}

function shown(socket: object): unknown[] {
  return SHOWN.map((name) => Reflect.get(socket, name) as unknown)
}

const VIEWS = [
  { kind: 'net.Socket', make: connectedSockets },
  { kind: 'tls.TLSSocket', make: connectedTlsSockets },
] as const

describe.each(VIEWS)('a view of a $kind', ({ make }) => {
  it('shows the other end that it was given', async () => {
    const { real } = await make()
    expect(shown(socketView(real, '203.0.113.7', 4711, true))).toStrictEqual(['203.0.113.7', 4711, 'IPv4', true])
    expect(shown(socketView(real, '2001:db8::1', undefined, false))).toStrictEqual([
      '2001:db8::1',
      undefined,
      'IPv6',
      false,
    ])
    expect(shown(socketView(real, undefined, undefined, false))).toStrictEqual([undefined, undefined, undefined, false])
  })

  it('shows all else of the real socket', async () => {
    const { real } = await make()
    const view = socketView(real, '203.0.113.7', 4711, true)
    for (const name of ['localAddress', 'localPort', 'bytesRead', 'readyState', 'writable', 'destroyed'] as const) {
      expect(view[name], name).toBe(real[name])
    }
  })

  it('says to `in` that it has the shown names, and those of the real socket', async () => {
    const { real } = await make()
    const view = socketView(real, undefined, undefined, false)
    expect(SHOWN.map((name) => name in view)).toStrictEqual([true, true, true, true])
    expect(['write' in view, 'localPort' in view, 'nonsense' in view]).toStrictEqual([true, true, false])
  })

  it('is an instance of the same classes, with the same constructor', async () => {
    const { real } = await make()
    const view = socketView(real, '203.0.113.7', undefined, false)
    expect(view).toBeInstanceOf(net.Socket)
    expect(view instanceof tls.TLSSocket).toBe(real instanceof tls.TLSSocket)
    expect(view.constructor).toBe(real.constructor)
    expect(Object.getPrototypeOf(view)).toBe(Object.getPrototypeOf(real))
  })

  it('carries data both ways', async () => {
    const { real, other } = await make()
    const view = socketView(real, '203.0.113.7', undefined, false)
    view.write('ping')
    const [ping] = (await once(other, 'data')) as [Buffer]
    other.write('pong')
    const [pong] = (await once(view, 'data')) as [Buffer]
    expect([String(ping), String(pong)]).toStrictEqual(['ping', 'pong'])
  })

  it('can be finished, piped and iterated', async () => {
    const { real, other } = await make()
    const view = socketView(real, '203.0.113.7', undefined, false)
    await pipeline(['a', 'b', 'c'], view, { end: true })
    const chunks: string[] = []
    for await (const chunk of other) chunks.push(String(chunk))
    expect(chunks.join('')).toBe('abc')
    other.end()
    view.resume()
    await finished(view)
    expect(real.destroyed).toBe(true)
  })

  it('lands nothing of the shown names on the real socket', async () => {
    const { real } = await make()
    const before = shown(real)
    const ownBefore = Reflect.ownKeys(real).length
    const view = socketView(real, '203.0.113.7', 4711, true)
    Object.assign(view, { remoteAddress: '198.51.100.1', remotePort: 1, remoteFamily: 'IPv6', encrypted: false })
    Object.defineProperty(view, 'remoteAddress', { value: '198.51.100.2', writable: true })
    Reflect.deleteProperty(view, 'remotePort')
    expect(shown(real)).toStrictEqual(before)
    expect(Reflect.ownKeys(real)).toHaveLength(ownBefore)
    expect(shown(view)).toStrictEqual(['198.51.100.2', 1, 'IPv6', false])
  })
})

describe('a view of a TLS socket', () => {
  it('still tells about the TLS of the proxy', async () => {
    const { real } = await connectedTlsSockets()
    const view = socketView(real, '203.0.113.7', undefined, false)
    expect(view.encrypted).toBe(false)
    expect(real.encrypted).toBe(true)
    expect(view.getProtocol()).toBe('TLSv1.2')
    expect(view.getCipher()).toStrictEqual(real.getCipher())
    expect(view.authorized).toBe(real.authorized)
  })
})

describe('methods', () => {
  it('are the same each time they are read, and on every view', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', undefined, false)
    const another = socketView(real, '198.51.100.1', undefined, false)
    expect(view.on).toBe(view.on)
    expect(view.on).toBe(another.on)
    expect(view.write.name).toBe(real.write.name)
    expect(view.write.length).toBe(real.write.length)
  })

  it('run on the real socket', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', undefined, false)
    const seen: unknown[] = []
    const self = Object.assign(real, {
      whoAmI(this: unknown, ...args: unknown[]): number {
        seen.push(this, args)
        return args.length
      },
    })
    const viewed = socketView(self, '203.0.113.7', undefined, false)
    expect(viewed.whoAmI(1, 2, 3)).toBe(3)
    expect(seen).toStrictEqual([real, [1, 2, 3]])
    expect(Reflect.apply(viewed.whoAmI, view, [])).toBe(0)
    expect(seen[2]).toBe(real)
    expect(Reflect.apply(viewed.whoAmI, 'somebody else', [])).toBe(0)
    expect(seen[4]).toBe('somebody else')
  })

  it('run where private fields are, as on Bun', async () => {
    class Guarded extends net.Socket {
      #secret = 'kept'
      tell(): string {
        return this.#secret
      }
      get told(): string {
        return this.#secret
      }
    }
    const view = socketView(new Guarded(), '203.0.113.7', undefined, false)
    expect([view.tell(), view.told]).toStrictEqual(['kept', 'kept'])
  })

  it('give the view where they give the socket, so that chains stay on it', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', undefined, false)
    const listener = (): void => {}
    expect(view.setTimeout(60_000)).toBe(view)
    expect(view.setNoDelay().setKeepAlive().on('data', listener).off('data', listener).pause()).toBe(view)
    expect(real.setNoDelay()).toBe(real)
  })

  it('and getters alike: one that gives the socket gives the view', () => {
    class Chained extends net.Socket {
      get and(): this {
        return this
      }
    }
    const view = socketView(new Chained(), '203.0.113.7', undefined, false)
    expect(view.and).toBe(view)
    expect(view.and.remoteAddress).toBe('203.0.113.7')
  })

  it('may throw what they throw', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', undefined, false)
    // As a caller without types would.
    expect(() => view.write(undefined as unknown as string)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }),
    )
  })
})

describe('listeners', () => {
  it('are added to the real socket and can be removed from either side', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', undefined, false)
    const another = socketView(real, '198.51.100.1', undefined, false)
    const before = real.listenerCount('timeout')
    const [first, second, third] = [(): void => {}, (): void => {}, (): void => {}] as const
    view.on('timeout', first)
    view.once('timeout', second)
    real.on('timeout', third)
    expect([real.listenerCount('timeout'), view.listenerCount('timeout')]).toStrictEqual([before + 3, before + 3])
    expect(view.listeners('timeout')).toStrictEqual(real.listeners('timeout'))
    real.off('timeout', first)
    another.off('timeout', second)
    view.removeListener('timeout', third)
    expect(real.listenerCount('timeout')).toBe(before)
  })

  it('added through a view leave the bookkeeping of the real socket right', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', undefined, false)
    const names = real.eventNames()
    for (let round = 0; round < 5; round++) {
      const listener = (): void => {}
      view.on('lookup', listener)
      view.off('lookup', listener)
    }
    expect(real.eventNames()).toStrictEqual(names)
    expect(Reflect.get(view, '_events')).toBe(Reflect.get(real, '_events'))
    expect(Object.keys(Reflect.get(real, '_events') as object).length).toBeGreaterThanOrEqual(
      Number(Reflect.get(real, '_eventsCount')),
    )
  })

  it('that were kept on the socket and read through another view are removed by what was read', async () => {
    const { real } = await connectedSockets()
    const before = real.listenerCount('timeout')
    const kept = '__onTimeout'
    let last = (): void => {}
    // What keep-alive requests do, each with a view of its own, that replace the listener of the one before.
    for (let request = 0; request < 15; request++) {
      const view = socketView(real, `203.0.113.${request}`, undefined, false)
      const former = Reflect.get(view, kept) as (() => void) | undefined
      if (former !== undefined) view.removeListener('timeout', former)
      last = () => undefined
      Reflect.set(view, kept, last)
      view.on('timeout', last)
    }
    expect(real.listenerCount('timeout')).toBe(before + 1)
    expect(real.listeners('timeout').at(-1)).toBe(last)
  })

  it('that were read through a view are added as what they are', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', undefined, false)
    const listener = (): void => {}
    Reflect.set(real, 'onLookup', listener)
    view.on('lookup', Reflect.get(view, 'onLookup') as () => void)
    expect(real.listeners('lookup')).toStrictEqual([listener])
    expect(real.listeners('lookup')[0]).toBe(listener)
  })

  it('emit from either side once', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', undefined, false)
    const seen: unknown[] = []
    view.on('lookup', (...args: unknown[]) => seen.push(args[0]))
    view.emit('lookup', 'through the view')
    real.emit('lookup', 'for real')
    expect(seen).toStrictEqual(['through the view', 'for real'])
  })
})

describe('writes', () => {
  it('go through to the real socket', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', undefined, false)
    Object.assign(view, { session: 'abc' })
    view.allowHalfOpen = true
    expect(Reflect.get(real, 'session')).toBe('abc')
    expect(Object.hasOwn(view, 'session')).toBe(true)
    expect(real.allowHalfOpen).toBe(true)
    expect(Reflect.deleteProperty(view, 'session')).toBe(true)
    expect('session' in real).toBe(false)
  })

  it('of a patched method are seen on the real socket, and undone without a trace', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', undefined, false)
    const originalOnReal = real.write
    const original = view.write
    const calls: unknown[] = []
    // What APM agents do: wrap a method, call the one from before, and put it back.
    view.write = function patched(this: net.Socket, ...args: unknown[]): boolean {
      calls.push(args[0], this === real)
      return Reflect.apply(original, this, args)
    }
    view.write('one')
    real.write('two')
    expect(calls).toStrictEqual(['one', true, 'two', true])
    view.write = original
    expect(real.write).toBe(originalOnReal)
    expect(view.write).toBe(original)
  })

  it('under symbols go through as well', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', undefined, false)
    const key = Symbol('key')
    Object.assign(view, { [key]: 1 })
    expect(Reflect.get(real, key)).toBe(1)
    expect(key in view).toBe(true)
    expect(Object.getOwnPropertySymbols(view)).toStrictEqual(Object.getOwnPropertySymbols(real))
  })

  it('of a shown name change this view and no other', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', 1, false)
    const another = socketView(real, '203.0.113.7', 1, false)
    Reflect.set(view, 'remoteAddress', '198.51.100.1')
    expect([view.remoteAddress, another.remoteAddress, real.remoteAddress]).toStrictEqual([
      '198.51.100.1',
      '203.0.113.7',
      '127.0.0.1',
    ])
  })

  it('on what inherits from a view stay there', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', 1, false)
    const heir = Object.create(Object.create(view) as object) as net.Socket & { session?: string }
    heir.session = 'abc'
    Reflect.set(heir, 'remoteAddress', '198.51.100.1')
    expect([heir.session, 'session' in real, 'session' in view]).toStrictEqual(['abc', false, false])
    expect([heir.remoteAddress, view.remoteAddress]).toStrictEqual(['198.51.100.1', '203.0.113.7'])
    heir.session = 'def'
    expect(Object.entries(heir)).toStrictEqual([
      ['session', 'def'],
      ['remoteAddress', '198.51.100.1'],
    ])
  })
})

describe('keys, descriptors and definitions', () => {
  it('lists the shown names and those of the real socket, each once', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', undefined, false)
    const keys = Reflect.ownKeys(view)
    expect(keys).toHaveLength(new Set(keys).size)
    expect(new Set(keys)).toStrictEqual(new Set([...SHOWN, ...Reflect.ownKeys(real)]))
    expect(Object.keys(view)).toEqual(expect.arrayContaining(['remoteAddress', 'encrypted', 'allowHalfOpen']))
    expect({ ...view }).toMatchObject({ remoteAddress: '203.0.113.7', encrypted: false })
  })

  it('describes what it shows, and what the real socket has', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', undefined, false)
    expect(Object.getOwnPropertyDescriptor(view, 'remoteAddress')?.value).toBe('203.0.113.7')
    expect(Object.getOwnPropertyDescriptor(view, 'allowHalfOpen')?.value).toBe(real.allowHalfOpen)
    expect(Object.getOwnPropertyDescriptor(view, 'write')).toBeUndefined()
    expect(Object.getOwnPropertyDescriptor(view, 'nonsense')).toBeUndefined()
  })

  it('defines on the real socket, but shown names on the view', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', undefined, false)
    Object.defineProperty(view, 'tenant', { get: () => 'a' })
    Object.defineProperty(view, 'remoteAddress', { get: () => '198.51.100.1' })
    expect([Reflect.get(real, 'tenant'), Reflect.get(view, 'tenant')]).toStrictEqual(['a', 'a'])
    expect([real.remoteAddress, view.remoteAddress]).toStrictEqual(['127.0.0.1', '198.51.100.1'])
  })

  it('refuses a definition that says configurable: false, which no Proxy can forward', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', undefined, false)
    const define = (): unknown => Object.defineProperty(view, 'fixed', { value: 1, configurable: false })
    expect(define).toThrow(TypeError)
    expect('fixed' in real).toBe(false)
  })

  it('deletes no shown name', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', 1, false)
    expect(SHOWN.map((name) => Reflect.deleteProperty(view, name))).toStrictEqual([false, false, false, false])
    expect(view.remoteAddress).toBe('203.0.113.7')
  })

  it('cannot be frozen, as the real socket must go on', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', 1, false)
    expect(() => Object.freeze(view)).toThrow(TypeError)
    expect([Object.isExtensible(real), Object.isExtensible(view)]).toStrictEqual([true, true])
  })

  it('gives a property of the real socket that is fixed as it is', async () => {
    const { real } = await connectedSockets()
    const fixed = Object.freeze({ on: () => 'frozen' })
    Object.defineProperty(real, 'fixed', { value: fixed, enumerable: true })
    Object.defineProperty(real, 'fixedMethod', { value: () => 'called', enumerable: true })
    const view = socketView(real, '203.0.113.7', 1, false)
    expect(Reflect.get(view, 'fixed')).toBe(fixed)
    expect((Reflect.get(view, 'fixedMethod') as () => string)()).toBe('called')
    expect(Object.getOwnPropertyDescriptor(view, 'fixed')).toMatchObject({ value: fixed, enumerable: true })
  })
})

describe('unwrapSocket', () => {
  it('gives the real socket behind a view', async () => {
    const { real } = await connectedSockets()
    const view = socketView(real, '203.0.113.7', undefined, false)
    expect(unwrapSocket(view)).toBe(real)
    expect(types.isProxy(unwrapSocket(view))).toBe(false)
    expect(unwrapSocket(real)).toBe(real)
  })

  it('needs no view of a view to go through: a second view has the same real socket', async () => {
    const { real } = await connectedSockets()
    const view = socketView(socketView(real, '203.0.113.7', 1, true), '198.51.100.1', undefined, false)
    expect(shown(view)).toStrictEqual(['198.51.100.1', undefined, 'IPv4', false])
    expect(unwrapSocket(view)).toBe(real)
    expect(view.setNoDelay()).toBe(view)
  })

  it.each([{ value: undefined }, { value: null }, { value: 0 }, { value: 'socket' }, { value: {} }, { value: [] }])(
    'gives back $value as it is',
    ({ value }) => {
      expect(unwrapSocket(value)).toBe(value)
    },
  )
})

describe('familyOf', () => {
  it.each([
    { address: '203.0.113.7', family: 'IPv4' },
    { address: '2001:db8::1', family: 'IPv6' },
    { address: undefined, family: undefined },
  ])('$address is of $family', ({ address, family }) => {
    expect(familyOf(address)).toBe(family)
  })
})

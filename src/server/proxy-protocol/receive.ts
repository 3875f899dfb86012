/**
 * Receiving the PROXY protocol on a server that somebody else made.
 *
 * **Warning.** Whoever may send a header chooses the address that everybody sees from then on. So only listed senders
 * may, and they must: a header is neither looked for where none is due, nor missed where one is. A listed sender that
 * sends none is misconfigured, and its clients would pass for it.
 *
 * The header comes before everything else, TLS included, so connections are held back where they come out of the
 * server's `emit`: before all listeners, those that are there and those to come. What follows the header is put back
 * on the socket, which is then as it was when it was new.
 */

import { Server, type Socket } from 'node:net'
import { reportOnce } from '../../request/report-once.ts'
import { canonicalPeer, type Endpoint, readPeer } from '../../trust/address.ts'
import { fail, show } from '../../trust/error.ts'
import { node } from '../node.ts'
import { infoOf, type ProxyProtocolInfo, showOnSocket } from './connection.ts'
import {
  type CheckedOptions,
  checkOptions,
  forSenders,
  type ProxyProtocolOptions,
  type ProxyProtocolRefusal,
} from './options.ts'
import { parseProxyProtocol } from './parse.ts'
import { TLV_TYPES } from './tlv.ts'

/** The connections of each server that have not sent their header yet. */
const waiting = new WeakMap<Server, Set<Socket>>()

/**
 * Lets a server receive the PROXY protocol, versions 1 and 2, from the proxies in front of it. On the sockets and
 * requests of a connection that has a header, `remoteAddress`, `remotePort` and `remoteFamily` are then those of whom
 * the header names: the peer that `trustedProxies` judges next, wherever `proxyFix` stands. `proxyProtocolInfo` tells
 * the rest.
 *
 * @param server A server of `node:net`, `tls`, `http`, `https` or `http2`, listening or not, with listeners or without.
 * @returns The same server.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` when the server or an option cannot be.
 * @see The PROXY protocol, versions 1 and 2: https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt
 * @example
 * const server = proxyProtocol(http.createServer(app), { from: '10.0.0.5' })
 * server.listen(8000)
 */
export function proxyProtocol<S extends Server>(server: S, options: ProxyProtocolOptions): S {
  if (!(server instanceof Server)) {
    fail(
      `proxyProtocol cannot receive connections for ${show(server)}: give a server of node:net, tls, http, https or http2, as in proxyProtocol(http.createServer(app), { from: '10.0.0.5' }).`,
    )
  }
  if (waiting.has(server)) fail('This server receives the PROXY protocol already: call proxyProtocol once for it.')
  const checked = checkOptions(options)
  const { senders, others, tls } = checked
  for (const warning of senders.warnings) {
    process.emitWarning(forSenders(warning), { type: 'ProxyFixWarning', code: 'PROXYFIX_PROXY_PROTOCOL_FROM' })
  }
  const held = new Set<Socket>()
  waiting.set(server, held)
  const infos = new WeakMap<object, ProxyProtocolInfo>()

  intercept(server, 'emit', (proceed, args) => {
    const [event, ...values] = args
    if (event === 'connection') return admit(values[0] as Socket, () => proceed())
    if (TLS_EVENTS.has(event)) values.forEach(showOnTls)
    return proceed()
  })
  for (const method of ['close', 'closeIdleConnections', 'closeAllConnections']) {
    intercept(server, method, (proceed) => {
      dropWaiting(server)
      return proceed()
    })
  }
  return server

  /** @param serve Lets the listeners of the server have the socket. */
  function admit(socket: Socket, serve: () => unknown): unknown {
    const { remoteAddress, remotePort } = socket
    const sender = { address: canonicalPeer(remoteAddress), port: remotePort }
    const isUnix = !remoteAddress && isUnixSocket(socket)
    const isListed = isUnix
      ? senders.hasUnaddressed()
      : readPeer(remoteAddress ?? '') && senders.hasRead(remoteAddress!)
    if (isListed) {
      held.add(socket)
      receive(socket, checked, sender, (info) => {
        held.delete(socket)
        if (info === undefined) return
        infos.set(socket, info)
        showOnSocket(socket, info, spokeTls(info))
        serve()
        // It may have ended before anybody listened; Node tells that once only.
        if (socket.readableEnded) socket.emit('end')
      })
    } else if (others === 'serve') return serve()
    else if (isUnix || remoteAddress)
      refuse(socket, checked, { sender, reason: 'it does not come from a listed sender' })
    else socket.destroy() // it was reset before its address could be read
    return true
  }

  function spokeTls(info: ProxyProtocolInfo): boolean {
    return info.tls !== undefined || (tls && !info.tlvs.some(({ type }) => type === TLV_TYPES.ssl))
  }

  /** A TLS socket asks the system for its peer, whatever the socket below shows. */
  function showOnTls(value: unknown): void {
    if (!(value instanceof node.tls.TLSSocket)) return
    const { _parent: below } = value as { readonly _parent?: object }
    const info = below && infos.get(below)
    if (info !== undefined) showOnSocket(value, info, false)
    // Node's types and pages do not know the property. Should it go, the proxy must not pass for its clients.
    if (below === undefined) value.destroy()
  }
}

/** By its handle: that it has no address says nothing, as one that was reset at once has lost it. */
function isUnixSocket({ _handle }: Socket & { readonly _handle?: object | null }): boolean {
  return _handle?.constructor.name === 'Pipe'
}

/** Events that carry a socket which speaks TLS over one that had a header. */
const TLS_EVENTS: ReadonlySet<unknown> = new Set(['secureConnection', 'tlsClientError', 'keylog'])

/** Cuts the connections of a server that have not sent their header: they have asked for nothing yet. */
export function dropWaiting(server: Server): void {
  for (const socket of waiting.get(server) ?? []) socket.destroy()
}

/**
 * Reads the header of one connection.
 * @param done Is called once: with what it said when the socket is ready for whoever reads on, or with nothing when
 * the connection is gone.
 */
function receive(
  socket: Socket,
  options: CheckedOptions,
  sender: Endpoint,
  done: (info?: ProxyProtocolInfo) => void,
): void {
  const { timeout, maxLength } = options
  let bytes: Buffer = Buffer.alloc(0)

  function onReadable(): void {
    for (let chunk = read(socket); chunk !== null; chunk = read(socket)) {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    }
    if (bytes.length === 0) return
    const parsed = parseProxyProtocol(bytes)
    if (parsed.result === 'reject') stop(parsed.reason)
    else if ((parsed.consumed ?? bytes.length) > maxLength) stop(`its header is longer than ${maxLength} bytes`)
    else if (parsed.transport === 'datagram') stop('its header names a client that speaks no TCP')
    else if (parsed.consumed !== undefined) handOn(infoOf(sender, parsed), bytes.subarray(parsed.consumed))
  }

  function handOn(info: ProxyProtocolInfo, rest: Buffer): void {
    clearTimeout(timer)
    socket.off('readable', onReadable).off('end', onEnd)
    if (rest.length > 0) socket.unshift(rest)
    // The stream notices in the next tick that nobody waits for 'readable' any more. Only then is the socket as new.
    process.nextTick(() => {
      if (socket.destroyed) return // 'close' has come, or follows
      socket.off('error', onError).off('close', onClose)
      done(info)
    })
  }

  function stop(reason: string): void {
    refuse(socket, options, { sender, reason })
  }
  function onEnd(): void {
    if (bytes.length > 0) stop('it ended in the middle of its header')
    else socket.destroy() // somebody only looked whether the port is open
  }
  function onError(): void {} // 'close' follows
  function onClose(): void {
    clearTimeout(timer)
    done()
  }

  const timer = setTimeout(() => stop(`its header did not come within ${timeout} ms`), timeout)
  socket.on('readable', onReadable).on('end', onEnd).on('error', onError).on('close', onClose)
}

/** Node's types know nothing of what a stream without an encoding gives. */
function read(socket: Socket): Buffer | null {
  return socket.read() as Buffer | null
}

function refuse(socket: Socket, { onRefused }: CheckedOptions, refusal: ProxyProtocolRefusal): void {
  socket.destroy()
  if (onRefused === undefined) {
    const { address = 'a unix socket' } = refusal.sender
    reportOnce(
      'PROXYFIX_PROXY_PROTOCOL',
      `A connection from ${address} was closed, and more may be: ${refusal.reason}. The option onRefused of proxyProtocol tells of each.`,
    )
    return
  }
  // Clients can provoke this call at will, so what it throws, now or later, must not take the server down.
  new Promise((resolve) => resolve(onRefused(refusal))).catch((error: unknown) => {
    const what = error instanceof Error ? error.message : 'something that is no Error'
    reportOnce('PROXYFIX_ON_REFUSED', `onRefused threw, which is told this once: ${what}`)
  })
}

type Method = (...args: unknown[]) => unknown

/** Puts a function before a method of one server; where it has no such method, nothing. */
function intercept(server: object, name: string, around: (proceed: () => unknown, args: unknown[]) => unknown): void {
  const target = server as Record<string, Method>
  const own = Object.hasOwn(target, name) ? target[name] : undefined
  if (typeof target[name] !== 'function') return
  function intercepted(this: unknown, ...args: unknown[]): unknown {
    // Looked up now: what is patched into the class later (telemetry) is to be called as well.
    const inner = own ?? (Object.getPrototypeOf(target) as Record<string, Method>)[name]
    return around(() => Reflect.apply(inner!, this, args), args)
  }
  Object.defineProperty(target, name, { value: intercepted, configurable: true, writable: true })
}

/**
 * May this request see the program's sources? Only who sits at this machine may: everything below has to hold, and what
 * is not known does not hold.
 *
 * The attacks: a client elsewhere that comes through a proxy on this machine, whose peer is loopback; the same with a
 * forged `X-Forwarded-For: 127.0.0.1`; a site that lets its own name point to 127.0.0.1 (DNS rebinding), whose Host is
 * its own; a page from elsewhere that asks this server through the browser of whoever develops here.
 */

import type { IncomingMessage } from 'node:http'
import { fixOf } from '../../request/fixed.ts'
import { unwrapSocket } from '../../request/socket-view.ts'
import { canonicalPeer, parseForwardedFor } from '../../trust/address.ts'
import { parseAuthority } from '../../trust/authority.ts'
import { proxyProtocolInfo } from '../proxy-protocol/connection.ts'

export function mayShowSources(req: IncomingMessage): boolean {
  const decision = fixOf(req)?.decision
  const socket = unwrapSocket(req.socket)
  const sender = proxyProtocolInfo(socket)?.sender
  const addresses = [
    socket.remoteAddress,
    ...(sender === undefined ? [] : [sender.address]),
    ...(decision === undefined ? [] : [decision.peer.address, decision.client.address]),
  ]

  /** As it came over the wire: a request that was fixed shows others. */
  const received = (name: string): string | undefined => {
    const headers: unknown = decision?.original.headers ?? req.headers
    const value = hasGet(headers) ? headers.get(name) : (headers as Readonly<Record<string, unknown>>)[name]
    return typeof value === 'string' ? value : value === undefined || value === null ? undefined : String(value)
  }
  const asked = [received(':authority'), received('host')].filter((host) => host !== undefined)
  const hosts = decision === undefined ? asked : [...asked, decision.hostname ?? '']

  return (
    addresses.every(isLoopback) &&
    asked.length > 0 &&
    hosts.every(isLoopbackHost) &&
    NODES.every((name) => listOf(received(name)).every(isLoopbackNode)) &&
    HOSTS.every((name) => listOf(received(name)).every(isLoopbackHost)) &&
    isForwardedFromHere(received('forwarded') ?? '') &&
    received('via') === undefined &&
    isOwnOrigin(req)
  )
}

/**
 * Headers in which proxies say for whom they ask, whether they are believed or not. By forging one a client only loses
 * what it would have seen.
 */
const NODES: readonly string[] = [
  'x-forwarded-for',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-original-forwarded-for',
  'x-appengine-user-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'cf-connecting-ipv6',
  'fastly-client-ip',
  'forwarded-for',
]
/** Those in which they say which host was asked for. */
const HOSTS: readonly string[] = ['x-forwarded-host', 'x-forwarded-server', 'x-original-host']

function isForwardedFromHere(forwarded: string): boolean {
  return listOf(forwarded.replaceAll(';', ',')).every((pair) => {
    const [, name = '', quoted, bare = ''] = /^([\w-]+)=(?:"([^"\\]*)"|([^"\s]*))$/.exec(pair) ?? []
    const value = quoted ?? bare
    if (/^for$/i.test(name)) return isLoopbackNode(value)
    return /^host$/i.test(name) ? isLoopbackHost(value) : /^(?:proto|by)$/i.test(name)
  })
}

/**
 * Whether no page of another site asks. Where the browser itself goes there, no page can read the answer: a link to this
 * server may stand anywhere.
 */
function isOwnOrigin({ headers }: IncomingMessage): boolean {
  const { origin } = headers
  if (origin !== undefined && !isLoopbackHost(/^https?:\/\/(.*)$/.exec(origin)?.[1] ?? '')) return false
  if (headers['sec-fetch-site'] !== 'cross-site') return true
  return headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
}

function isLoopback(address: string | undefined): boolean {
  const canonical = canonicalPeer(address)
  return canonical !== undefined && (canonical === '::1' || canonical.startsWith('127.'))
}

function isLoopbackNode(text: string): boolean {
  return isLoopback(parseForwardedFor(text)?.address)
}

/** These three only: a name below `localhost` may be told to point elsewhere. */
function isLoopbackHost(text: string): boolean {
  return /^(?:localhost|127\.0\.0\.1|\[::1\])$/.test(parseAuthority(text)?.hostname ?? '')
}

function listOf(value: string | undefined): readonly string[] {
  return value === undefined || value === '' ? [] : value.split(',').map((item) => item.trim())
}

function hasGet(headers: unknown): headers is { get(name: string): unknown } {
  return typeof (headers as { get?: unknown }).get === 'function'
}

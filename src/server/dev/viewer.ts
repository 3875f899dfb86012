/**
 * May this request see the program's sources? Only who sits at this machine may: everything below has to hold, and what
 * is not known does not hold.
 *
 * The attacks: a client elsewhere that comes through a proxy on this machine, whose peer is loopback; the same with a
 * forged `X-Forwarded-For: 127.0.0.1`; a site that lets its own name point to 127.0.0.1 (DNS rebinding), whose Host is
 * its own; a page from elsewhere that asks this server through the browser of whoever develops here.
 *
 * A proxy that speaks HTTP/1.1 and adds nothing at all cannot be told from a browser.
 */

import type { IncomingMessage } from 'node:http'
import type { Decided } from '../../trust/amend.ts'
import { fixOf } from '../../request/fixed.ts'
import { forwardingName } from '../../request/forwarding-headers.ts'
import { unwrapSocket } from '../../request/socket-view.ts'
import { canonicalPeer, parseForwardedFor } from '../../trust/address.ts'
import { parseAuthority } from '../../trust/authority.ts'
import { proxyProtocolInfo } from '../proxy-protocol/connection.ts'

/** @param target That of the request, as it came over the wire. */
export function mayShowSources(req: IncomingMessage, target: string): boolean {
  const decision = fixOf(req)?.decision
  const socket = unwrapSocket(req.socket)
  const sender = proxyProtocolInfo(socket)?.sender
  const addresses = [
    socket.remoteAddress,
    ...(sender === undefined ? [] : [sender.address]),
    ...(decision === undefined ? [] : [decision.peer.address, decision.client.address]),
  ]
  const received = receivedLines(req, decision)
  const asked = received.filter(([name]) => name === 'host' || name === ':authority').map(([, host]) => host)
  const hosts = decision === undefined ? asked : [...asked, decision.hostname ?? '']
  return (
    addresses.every(isLoopback) &&
    asked.length > 0 &&
    hosts.every(isLoopbackHost) &&
    isFromHere(received.filter(isOfProxy), req, decision) &&
    target.startsWith('/') && // proxies are sent whole URLs, of another host, perhaps
    isOwnOrigin(req)
  )
}

type Line = readonly [name: string, value: string]

/** The headers as they came over the wire, names in the usual spelling: a request that was fixed shows others. */
function receivedLines({ rawHeaders }: IncomingMessage, decision: Decided | undefined): readonly Line[] {
  const { toJSON } = (decision?.original.headers ?? {}) as { toJSON?: () => readonly string[] }
  const lines = toJSON === undefined ? rawHeaders : toJSON.call(decision?.original.headers)
  return lines.flatMap((name, index) =>
    index % 2 === 0 ? [[forwardingName(name) ?? name.toLowerCase(), lines[index + 1] ?? '']] : [],
  )
}

/** Further names by which a proxy gives itself away. */
function isOfProxy([name]: Line): boolean {
  return forwardingName(name) !== undefined || /^(?:via$|x-(?:forwarded|original|envoy)-)/.test(name)
}

/**
 * Whether nobody stands between, as a proxy would say, or one that is trusted, and says that it asks for somebody here. By
 * forging such a header a client only loses what it would have seen.
 */
function isFromHere(lines: readonly Line[], { httpVersion }: IncomingMessage, decision: Decided | undefined): boolean {
  if (lines.length === 0) return httpVersion !== '1.0' // proxies speak it that add no header; browsers do not
  return decision?.verdicts.for === 'trusted' && lines.every(namesHere)
}

/** Headers that name no client: those in which stands what was asked for are judged by the decision, too. */
const HOSTS: ReadonlySet<string> = new Set(['x-forwarded-host', 'x-forwarded-server', 'x-original-host'])
const NEITHER: ReadonlySet<string> = new Set([
  'x-forwarded-proto',
  'x-forwarded-protocol',
  'x-forwarded-scheme',
  'x-forwarded-ssl',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'x-original-proto',
  'x-url-scheme',
  'x-script-name',
  'front-end-https',
])

/** Whether a header of a proxy names nobody but this machine; of one that is not known it is not known. */
function namesHere([name, value]: Line): boolean {
  if (NEITHER.has(name)) return true
  if (HOSTS.has(name)) return listOf(value).every(isLoopbackHost)
  return name === 'forwarded' ? isForwardedFromHere(value) : listOf(value).every(isLoopbackNode)
}

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

function listOf(value: string): readonly string[] {
  return value === '' ? [] : value.split(',').map((item) => item.trim())
}

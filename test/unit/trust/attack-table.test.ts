/**
 * The attacks on whoever asks "who is the client?", one by one. Each test first shows a naive reading that falls for
 * it, of the very input that ours is then given: a test whose input fools nobody would prove nothing.
 *
 * The two attacks on the PROXY protocol (a header from anyone, parsers that disagree) are not here: that protocol is
 * read before there is a request.
 */

import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { connectionInfo, fixRequest, forwardingHeaders } from '../../../src/index.ts'
import type { ConnectionFacts, ConnectionInfo } from '../../../src/trust/connection.ts'
import { ProxyFixError } from '../../../src/trust/error.ts'
import type { ProxyFixOptions } from '../../../src/trust/options.ts'
import { trustPolicy } from '../../../src/trust/policy.ts'
import { resolveConnection } from '../../../src/trust/resolve.ts'

type Headers_ = Readonly<Record<string, string | readonly string[]>>

const PROXY = '10.0.0.1'
const STRANGER = '198.51.100.9'
const CLIENT = '203.0.113.7'
const FORGED = '6.6.6.6'

/** What is decided of a request to `app.internal`, where the proxies have 10.0.0.0/8. */
function decide(
  headers: Headers_,
  options: ProxyFixOptions = { xFor: 'trusted', trustedProxies: '10.0.0.0/8' },
  peer: ConnectionFacts['peer'] = { address: PROXY },
): ConnectionInfo {
  return resolveConnection({ peer, scheme: 'http', host: 'app.internal', headers }, options)
}

/** The items of a list, as nearly everybody splits it. */
function items(list = ''): string[] {
  return list.split(',').map((item) => item.trim())
}

function isOurs(address: string): boolean {
  return address.startsWith('10.')
}

/** The rightmost value that is none of ours, by text. */
function naiveWalk(list: readonly string[], isProxy: (address: string) => boolean): string | undefined {
  return list.findLast((address) => !isProxy(address)) ?? list[0]
}

/** A Node request as its server makes it, from a peer that a real socket would show. */
function nodeRequest(peer: string, headers: Readonly<Record<string, string>>): IncomingMessage {
  const socket = new Socket()
  Object.defineProperty(socket, 'remoteAddress', { value: peer, configurable: true })
  const req = new IncomingMessage(socket)
  req.url = '/'
  req.headers = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  req.rawHeaders = Object.entries(headers).flat()
  return req
}

function errorOf(make: () => unknown): unknown {
  try {
    return make()
  } catch (error) {
    return error
  }
}

describe('leftmost X-Forwarded-For is client text (GHSA-3fxj-6jh8-hvhx, CVE-2020-28483, CVE-2022-23556)', () => {
  const headers = { 'X-Forwarded-For': `${FORGED}, ${CLIENT}, 10.0.0.2` }

  it('fools whoever takes the first value', () => {
    expect(items(headers['X-Forwarded-For'])[0]).toBe(FORGED)
  })

  it('does not fool a walk from the right, nor a count', () => {
    expect(decide(headers).client).toStrictEqual({ address: CLIENT })
    expect(decide(headers, { xFor: 2 }).client).toStrictEqual({ address: CLIENT })
    expect(decide(headers, { xFor: 2, trustedProxies: '10.0.0.0/8' }).client).toStrictEqual({ address: CLIENT })
  })

  it('is not taken either when the list is shorter than the count', () => {
    expect(items(FORGED).at(-2) ?? items(FORGED)[0]).toBe(FORGED)
    const { client, verdicts } = decide({ 'X-Forwarded-For': FORGED }, { xFor: 2 })
    expect({ client, verdict: verdicts.for }).toStrictEqual({ client: { address: PROXY }, verdict: 'short' })
  })

  it.each<{ name: string; headers: Headers_; options: ProxyFixOptions }>([
    { name: 'X-Forwarded-For', headers: { 'X-Forwarded-For': '10.0.0.2' }, options: { xFor: 2 } },
    { name: 'Forwarded', headers: { Forwarded: 'for=10.0.0.2' }, options: { forwarded: 2 } },
  ])('nor is a proxy of ours, which may see more than others, when nothing stands left of it: $name', (each) => {
    const [first = ''] = Object.values(each.headers).flat()
    const [address = ''] = items(first.replace('for=', ''))
    expect(isOurs(address)).toBe(true)
    const { client, verdicts } = decide(each.headers, { ...each.options, trustedProxies: '10.0.0.0/8' })
    expect({ client, verdict: verdicts.for }).toStrictEqual({ client: { address: PROXY }, verdict: 'short' })
  })
})

describe('an untrusted peer sends the headers (CVE-2026-3635, CVE-2022-31109)', () => {
  const headers = {
    'X-Forwarded-Proto': 'https',
    'X-Forwarded-Host': 'evil.example',
    'X-Forwarded-Port': '8443',
    'X-Forwarded-Prefix': '/evil',
  }
  const options: ProxyFixOptions = {
    xFor: 'trusted',
    xProto: 1,
    xHost: 1,
    xPort: 1,
    xPrefix: 1,
    trustedProxies: '10.0.0.0/8',
  }

  it('fools whoever asks who the peer is only where there is an X-Forwarded-For', () => {
    const naive = (received: Readonly<Record<string, string>>, peer: string): string | undefined =>
      'X-Forwarded-For' in received && !isOurs(peer) ? 'http' : received['X-Forwarded-Proto']
    expect(naive(headers, STRANGER)).toBe('https')
  })

  it('is believed in nothing', () => {
    const { client, scheme, host, port, prefix, trusted, verdicts } = decide(headers, options, { address: STRANGER })
    expect({ client, scheme, host, port, prefix, trusted }).toStrictEqual({
      client: { address: STRANGER },
      scheme: 'http',
      host: 'app.internal',
      port: 80,
      prefix: '',
      trusted: false,
    })
    expect(new Set(Object.values(verdicts))).toStrictEqual(new Set(['untrusted-peer']))
  })

  it('is believed in nothing where the list says that it came through our proxies', () => {
    const claims = { ...headers, 'X-Forwarded-For': `${FORGED}, ${PROXY}` }
    expect(naiveWalk(items(claims['X-Forwarded-For']), isOurs)).toBe(FORGED)
    const { client, scheme } = decide(claims, options, { address: STRANGER })
    expect({ client, scheme }).toStrictEqual({ client: { address: STRANGER }, scheme: 'http' })
  })
})

describe('host and proto lists are read leftmost while the client is read by hops (h3js/srvx PR #229, fastify #5865)', () => {
  const headers = {
    'X-Forwarded-For': CLIENT,
    'X-Forwarded-Proto': 'https, http',
    'X-Forwarded-Host': 'evil.example, shop.example',
  }

  it('fools whoever counts in one list and not in the others', () => {
    const naive = { client: items(headers['X-Forwarded-For']).at(-1), host: items(headers['X-Forwarded-Host'])[0] }
    expect(naive).toStrictEqual({ client: CLIENT, host: 'evil.example' })
  })

  it.each<{ name: string; options: ProxyFixOptions }>([
    { name: 'one walk', options: { xFor: 'trusted', xProto: 'trusted', xHost: 'trusted' } },
    { name: 'counts', options: { xFor: 1, xProto: 1, xHost: 1 } },
    { name: 'counts that reach further left than the walk', options: { xFor: 'trusted', xProto: 2, xHost: 2 } },
    { name: 'counts that reach further left than the client', options: { xFor: 3, xProto: 2, xHost: 2 } },
  ])('gives every field from the hop that gave the client: $name', ({ options }) => {
    const { client, scheme, host } = decide(headers, { ...options, trustedProxies: '10.0.0.0/8' })
    expect({ client, scheme, host }).toStrictEqual({
      client: { address: CLIENT },
      scheme: 'http',
      host: 'shop.example',
    })
  })
})

describe('host poisoning of links, redirects and caches (CVE-2018-0787)', () => {
  const options: ProxyFixOptions = { xFor: 1, xHost: 1, trustedProxies: '10.0.0.0/8' }

  it.each([
    'shop.example@evil.example',
    'shop.example:80@evil.example',
    'evil.example/.shop.example',
    'evil.example\\.shop.example',
    'evil.example?.shop.example',
    'evil.example#.shop.example',
  ])('a host that is more than a host does not get into a link: %s', (host) => {
    const naive = host.includes('shop.example') ? new URL(`https://${host}/reset?token=1`).hostname : undefined
    expect(naive).toBe('evil.example')

    const ours = decide({ 'X-Forwarded-Host': host }, options)
    expect({ host: ours.host, verdict: ours.verdicts.host }).toStrictEqual({ host: 'app.internal', verdict: 'invalid' })
    expect(decide({ 'X-Forwarded-Host': host }, { ...options, onInvalid: 'reject' }).refusal).toMatchObject({
      status: 400,
      field: 'host',
    })
  })

  it.each<{ host: string; naive: (host: string) => boolean }>([
    { host: 'evil.example', naive: (host) => host !== '' },
    { host: 'evilshop.example', naive: (host) => host.endsWith('shop.example') },
    { host: 'shop.example.evil.example', naive: (host) => host.startsWith('shop.example') },
    { host: 'shop-example', naive: (host) => /^shop.example$/.test(host) },
  ])('a host of somebody else is refused by the allow list, names being compared whole: $host', ({ host, naive }) => {
    const allowedHosts = ['shop.example', '.shop.example']
    expect(naive(host)).toBe(true)
    const { refusal } = decide({ 'X-Forwarded-Host': host }, { ...options, allowedHosts })
    expect(refusal).toMatchObject({ status: 400, field: 'host' })
    expect(decide({ 'X-Forwarded-Host': 'www.SHOP.example' }, { ...options, allowedHosts }).refusal).toBeUndefined()
  })

  it('the header is not read at all unless it is asked for', () => {
    const naive = (headers: Readonly<Record<string, string>>): string | undefined => headers['X-Forwarded-Host']
    const headers = { 'X-Forwarded-Host': 'evil.example' }
    expect(naive(headers)).toBe('evil.example')
    expect(decide(headers, {}).host).toBe('app.internal')
  })
})

describe('a prefix that leads elsewhere (angular-cli #32501, #32904, Calibre-Web #1302, Traefik #12514)', () => {
  const link = (prefix: string): URL => new URL(`${prefix}/login`, 'https://shop.example')

  it.each<{ name: string; prefix: string; naive: (prefix: string) => unknown; fooled: unknown }>([
    { name: 'two slashes', prefix: '//evil.example', naive: (p) => link(p).hostname, fooled: 'evil.example' },
    { name: 'three slashes', prefix: '///evil.example', naive: (p) => link(p).hostname, fooled: 'evil.example' },
    { name: 'a backslash', prefix: '/\\evil.example', naive: (p) => link(p).hostname, fooled: 'evil.example' },
    {
      name: 'another scheme',
      prefix: 'https://evil.example',
      naive: (p) => link(p).hostname,
      fooled: 'evil.example',
    },
    {
      name: 'an authority that the host runs into',
      prefix: '@evil.example',
      naive: (p) => new URL(`https://shop.example${p}/login`).hostname,
      fooled: 'evil.example',
    },
    {
      name: 'slashes that are decoded later',
      prefix: '/%2f%2fevil.example',
      naive: (p) => link(decodeURIComponent(p)).hostname,
      fooled: 'evil.example',
    },
    {
      name: 'a backslash that is decoded later',
      prefix: '/%5cevil.example',
      naive: (p) => link(decodeURIComponent(p)).hostname,
      fooled: 'evil.example',
    },
    { name: 'dots', prefix: '/app/../admin', naive: (p) => link(p).pathname, fooled: '/admin/login' },
    { name: 'encoded dots', prefix: '/app/%2e%2e/admin', naive: (p) => link(p).pathname, fooled: '/admin/login' },
    { name: 'a query', prefix: '/app?', naive: (p) => link(p).pathname, fooled: '/app' },
    { name: 'a fragment', prefix: '/app#', naive: (p) => link(p).pathname, fooled: '/app' },
    {
      name: 'a line break',
      prefix: '/app\r\nSet-Cookie: admin=1',
      naive: (p) => `Location: ${p}/login`.split('\r\n').length,
      fooled: 2,
    },
    {
      name: 'an encoded line break',
      prefix: '/app%0d%0aSet-Cookie:admin=1',
      naive: (p) => decodeURIComponent(`Location: ${p}/login`).split('\r\n').length,
      fooled: 2,
    },
    {
      name: 'markup',
      prefix: '/"><script>alert(1)</script>',
      naive: (p) => `<base href="${p}/">`.includes('<script>'),
      fooled: true,
    },
    {
      name: 'sheer length',
      prefix: `/${'a'.repeat(8192)}`,
      naive: (p) => `Location: ${p}/login`.length > 8192,
      fooled: true,
    },
  ])('$name', ({ prefix, naive, fooled }) => {
    expect(naive(prefix)).toBe(fooled)
    const { prefix: ours, verdicts } = decide(
      { 'X-Forwarded-Prefix': prefix },
      { xPrefix: 1, trustedProxies: '10.0.0.0/8' },
    )
    expect({ prefix: ours, verdict: verdicts.prefix }).toStrictEqual({ prefix: '', verdict: 'invalid' })
  })

  it('is off unless it is asked for, as a proxy that does not know the header passes it on', () => {
    const headers = { 'X-Forwarded-Prefix': '/evil' }
    const naive = (received: Readonly<Record<string, string>>): string => received['X-Forwarded-Prefix'] ?? ''
    expect(naive(headers)).toBe('/evil')
    expect(decide(headers, { trustedProxies: '10.0.0.0/8' }).prefix).toBe('')
  })

  it('is cut off a path on a segment boundary only (safe-decoder #257)', () => {
    const request = new Request('http://app.internal/application/x', { headers: { 'X-Forwarded-Prefix': '/app' } })
    const { pathname } = new URL(request.url)
    expect(pathname.startsWith('/app') ? pathname.slice('/app'.length) : pathname).toBe('lication/x')

    const fixed = fixRequest(request, { xPrefix: 1, prefixMode: 'strip' })
    expect(new URL(fixed.url).pathname).toBe('/application/x')
  })
})

describe('scheme injection (caddy-security #270)', () => {
  it.each([
    { proto: 'javascript', naive: 'javascript:' },
    { proto: 'data', naive: 'data:' },
    { proto: 'file', naive: 'file:' },
    { proto: 'https://evil.example/?', naive: 'https:' },
  ])('is not taken for a scheme: $proto', ({ proto, naive }) => {
    expect(new URL(`${proto}://app.internal/`)).toMatchObject({ protocol: naive })
    const { scheme, verdicts } = decide({ 'X-Forwarded-Proto': proto })
    expect({ scheme, verdict: verdicts.proto }).toStrictEqual({ scheme: 'http', verdict: 'invalid' })
  })
})

describe('X_Forwarded_For and X.Forwarded.For (CVE-2025-64484, CVE-2026-33433, GHSA-f59h-q822-g45g)', () => {
  /** What CGI, and all that came after it, makes of a header's name. */
  function environ(headers: Iterable<readonly [string, string]>): Record<string, string> {
    const variables: Record<string, string> = {}
    for (const [name, value] of headers) variables[`HTTP_${name.toUpperCase().replaceAll(/[-.]/g, '_')}`] = value
    return variables
  }

  it.each(['X_Forwarded_For', 'X.Forwarded.For', 'x_forwarded-for'])('are other headers: %s', (alias) => {
    const headers = { 'X-Forwarded-For': CLIENT, [alias]: FORGED }
    expect(environ(Object.entries(headers))['HTTP_X_FORWARDED_FOR']).toBe(FORGED)
    expect(decide(headers).client).toStrictEqual({ address: CLIENT })
    expect(decide({ [alias]: FORGED }).verdicts.for).toBe('absent')
  })

  it.each(['X_Forwarded_For', 'X.Forwarded.For', 'x_forwarded-for'])('are gone for what reads later: %s', (alias) => {
    const headers = [
      ['X-Forwarded-For', CLIENT],
      [alias, FORGED],
    ] as const
    expect(environ(headers)['HTTP_X_FORWARDED_FOR']).toBe(FORGED)

    const fetched = fixRequest(new Request('http://app.internal/', { headers: headers.map((pair) => [...pair]) }))
    expect(environ(fetched.headers)['HTTP_X_FORWARDED_FOR']).toBe(CLIENT)

    const req = fixRequest(nodeRequest(PROXY, Object.fromEntries(headers)))
    expect(environ(Object.entries(req.headers).map(([name, value]) => [name, String(value)]))).toMatchObject({
      HTTP_X_FORWARDED_FOR: CLIENT,
    })
  })
})

describe('Connection: X-Forwarded-For removes the header on the way (CVE-2022-31813, CVE-2024-45410, CVE-2025-48865)', () => {
  const sent = { Connection: 'close, X-Forwarded-For', 'X-Forwarded-For': CLIENT }
  /** What a proxy hands on that takes the client's word for which headers are its own. */
  const arrives = Object.fromEntries(
    Object.entries(sent).filter(([name]) => !items(sent.Connection).includes(name) && name !== 'Connection'),
  )

  it('fools whoever takes the proxy for the client where there is no header', () => {
    const client = arrives['X-Forwarded-For'] ?? PROXY
    expect(isOurs(client)).toBe(true) // and so it may see the status page
  })

  it('is a state of its own, which can be refused', () => {
    const options: ProxyFixOptions = { xFor: 'trusted', trustedProxies: '10.0.0.0/8' }
    expect(decide(arrives, options).verdicts.for).toBe('absent')
    const { refusal } = decide(arrives, { ...options, required: ['for'] })
    expect(refusal).toMatchObject({ status: 400, field: 'for' })
  })

  it('removes nothing here, at the end of the way', () => {
    const { client, refusal } = decide(sent, { xFor: 1, required: ['for'] })
    expect({ client, refusal }).toStrictEqual({ client: { address: CLIENT }, refusal: undefined })
    const fixed = fixRequest(nodeRequest(PROXY, sent), { xFor: 1 })
    expect(fixed.headers['x-forwarded-for']).toBe(CLIENT)
    expect(fixed.socket.remoteAddress).toBe(CLIENT)
  })

  it('removes nothing that a proxy written here tells the server behind it', () => {
    const fixed = fixRequest(nodeRequest(PROXY, sent), { xFor: 1 })
    const named = new Set(items(sent.Connection).map((name) => name.toLowerCase()))
    const withoutNamed = (headers: object): Record<string, unknown> =>
      Object.fromEntries(Object.entries(headers).filter(([name]) => !named.has(name)))
    expect(withoutNamed({ ...fixed.headers, 'x-forwarded-for': CLIENT })).not.toHaveProperty('x-forwarded-for')

    const forwarding = forwardingHeaders(fixed, { family: 'x-forwarded' })
    expect({ ...withoutNamed(fixed.headers), ...forwarding }).toMatchObject({ 'x-forwarded-for': CLIENT })
  })
})

describe('quotes in Forwarded are read in two ways (CVE-2026-32762)', () => {
  const options: ProxyFixOptions = { forwarded: 'trusted', trustedProxies: '10.0.0.0/8' }

  it('a parameter inside quotes is none', () => {
    const forwarded = 'for="127.0.0.1;host=evil.example;proto=https"'
    const naive = Object.fromEntries(forwarded.split(';').map((pair) => pair.split('=', 2)))
    expect(naive).toMatchObject({ host: 'evil.example' })

    const { client, host, scheme } = decide({ Forwarded: forwarded }, options)
    expect({ client, host, scheme }).toStrictEqual({ client: { address: PROXY }, host: 'app.internal', scheme: 'http' })
  })

  it('an element inside quotes is none', () => {
    const forwarded = `for="_a, for=${FORGED}, for=_b";proto=https`
    const naive = /for=([\d.]+)/.exec(forwarded)?.[1]
    expect(naive).toBe(FORGED)

    const { client, scheme, verdicts } = decide({ Forwarded: forwarded }, { forwarded: 2 })
    expect({ client, scheme, verdict: verdicts.for }).toStrictEqual({
      client: { address: PROXY },
      scheme: 'http',
      verdict: 'short',
    })
  })

  /** Cuts at commas outside quotes, from the left, as every parser of the field does. */
  function elementsFromLeft(forwarded: string): string[] {
    const elements = ['']
    let quoted = false
    for (const character of forwarded) {
      if (character === '"') quoted = !quoted
      if (character === ',' && !quoted) elements.push('')
      else elements.push(`${elements.pop()}${character}`)
    }
    return elements
  }

  it("a quote that the client opens does not reach into the proxy's element", () => {
    const fromClient = `for=${FORGED};by="`
    const fromProxy = 'for="[2001:db8::7]";by="[2001:db8::1]";proto=https;host=shop.example'
    const forwarded = `${fromClient}, ${fromProxy}`
    const last = elementsFromLeft(forwarded).at(-1) ?? ''
    expect(/for=([^;,]*)/.exec(last)?.[1]).toBe(FORGED)

    for (const lines of [forwarded, [fromClient, fromProxy]]) {
      for (const setting of [options, { forwarded: 1 }]) {
        const { client, scheme, host } = decide({ Forwarded: lines }, setting)
        expect({ client, scheme, host }).toStrictEqual({
          client: { address: '2001:db8::7' },
          scheme: 'https',
          host: 'shop.example',
        })
      }
    }
  })

  it("a quote that the client does not close does not hide the proxy's element", () => {
    const forwarded = `for="_hidden, for=${CLIENT};proto=https`
    expect(elementsFromLeft(forwarded)).toHaveLength(1)
    expect(decide({ Forwarded: forwarded }, options)).toMatchObject({ client: { address: CLIENT }, scheme: 'https' })
  })
})

describe('duplicate lines, of which the first or the last only is read (Go Header.Get)', () => {
  const get = (lines: readonly (readonly [string, string])[], name: string): string | undefined =>
    lines.find(([key]) => key === name)?.[1]

  it('are one list, so that the line of the proxy counts', () => {
    const lines = [
      ['X-Forwarded-For', FORGED],
      ['X-Forwarded-For', CLIENT],
      ['X-Forwarded-Proto', 'https'],
      ['X-Forwarded-Proto', 'http'],
    ] as const
    expect([get(lines, 'X-Forwarded-For'), get(lines, 'X-Forwarded-Proto')]).toStrictEqual([FORGED, 'https'])

    const { client, scheme } = decide({ 'X-Forwarded-For': [FORGED, CLIENT], 'X-Forwarded-Proto': ['https', 'http'] })
    expect({ client, scheme }).toStrictEqual({ client: { address: CLIENT }, scheme: 'http' })
  })

  it('are one list where the names differ in case', () => {
    const headers = { 'X-FORWARDED-FOR': FORGED, 'x-forwarded-for': CLIENT }
    expect(headers['X-FORWARDED-FOR']).toBe(FORGED)
    expect(decide(headers).client).toStrictEqual({ address: CLIENT })
  })

  it('make a header of one value invalid, whichever of them is the forged one', () => {
    const lines = [
      ['X-Real-IP', FORGED],
      ['X-Real-IP', CLIENT],
    ] as const
    expect(get(lines, 'X-Real-IP')).toBe(FORGED)
    const { client, verdicts } = decide(
      { 'X-Real-IP': lines.map(([, value]) => value) },
      { clientIpHeader: 'X-Real-IP', trustedProxies: '10.0.0.0/8' },
    )
    expect({ client, verdict: verdicts.for }).toStrictEqual({ client: { address: PROXY }, verdict: 'invalid' })
  })
})

describe('family switching, from X-Forwarded-* to Forwarded and back (uvicorn PR #2928)', () => {
  /** One family, and the other where it is absent. */
  function naive(headers: Readonly<Record<string, string>>): string | undefined {
    return /for=([^;,]*)/.exec(headers['Forwarded'] ?? '')?.[1] ?? items(headers['X-Forwarded-For']).at(-1)
  }

  it('does not bring in Forwarded where the proxy sets X-Forwarded-For', () => {
    const headers = { Forwarded: `for=${FORGED};host=evil.example;proto=https`, 'X-Forwarded-For': CLIENT }
    expect(naive(headers)).toBe(FORGED)
    const { client, scheme, host } = decide(headers, { xFor: 1, xHost: 1, trustedProxies: '10.0.0.0/8' })
    expect({ client, scheme, host }).toStrictEqual({
      client: { address: CLIENT },
      scheme: 'http',
      host: 'app.internal',
    })
  })

  it('does not bring in X-Forwarded-For where the proxy sets Forwarded, and for once did not', () => {
    const headers = { 'X-Forwarded-For': FORGED, 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'evil.example' }
    expect(naive(headers)).toBe(FORGED)
    const { client, scheme, host } = decide(headers, { forwarded: 1, trustedProxies: '10.0.0.0/8' })
    expect({ client, scheme, host }).toStrictEqual({
      client: { address: PROXY },
      scheme: 'http',
      host: 'app.internal',
    })
  })

  it('cannot be configured', () => {
    const both = { forwarded: 1, xFor: 1 }
    expect(Object.keys(both)).toHaveLength(2) // which elsewhere means: whichever comes
    expect(errorOf(() => trustPolicy(both))).toBeInstanceOf(ProxyFixError)
  })
})

describe('headers of one address that nobody sets (GHSA-rjr7-jggh-pgcp)', () => {
  const NAMES = ['X-Client-IP', 'X-Real-IP', 'True-Client-IP', 'CF-Connecting-IP', 'Fastly-Client-IP']
  /** The first header that looks like it. */
  function naive(get: (name: string) => string | null | undefined): string | undefined {
    for (const name of [...NAMES, 'X-Forwarded-For']) {
      const value = get(name)
      if (value !== null && value !== undefined) return value
    }
    return undefined
  }

  it.each(NAMES)('are not read: %s', (name) => {
    const headers: Record<string, string> = { [name]: FORGED, 'X-Forwarded-For': CLIENT }
    expect(naive((key) => headers[key])).toBe(FORGED)
    expect(decide(headers).client).toStrictEqual({ address: CLIENT })
    expect(decide(headers, {}).client).toStrictEqual({ address: CLIENT })
  })

  it.each(NAMES)('say what was decided to whatever reads them later: %s', (name) => {
    const request = new Request('http://app.internal/', { headers: { [name]: FORGED, 'X-Forwarded-For': CLIENT } })
    expect(naive((key) => request.headers.get(key))).toBe(FORGED)
    const { headers } = fixRequest(request)
    expect(naive((key) => headers.get(key))).toBe(CLIENT)
  })

  it.each(NAMES)('are read when one is named, of the trusted peer only: %s', (name) => {
    const options: ProxyFixOptions = { clientIpHeader: name, trustedProxies: '10.0.0.0/8' }
    const headers: Record<string, string> = { [name]: FORGED }
    expect(naive((key) => headers[key])).toBe(FORGED)
    expect(decide(headers, options, { address: STRANGER }).client).toStrictEqual({ address: STRANGER })
    expect(decide({ [name]: CLIENT }, options).client).toStrictEqual({ address: CLIENT })
    expect(errorOf(() => trustPolicy({ clientIpHeader: name }))).toBeInstanceOf(ProxyFixError)
  })
})

describe('IPv4 in IPv6 clothes slips past a check (GHSA-xpcf-pg52-r92g)', () => {
  it.each(['::ffff:10.0.0.66', '::ffff:a00:42', '::FFFF:0A00:0042', '0:0:0:0:0:ffff:10.0.0.66', '[::ffff:a00:42]:80'])(
    'is one client, by whatever text: %s',
    (text) => {
      const banned = new Set(['10.0.0.66'])
      expect(banned.has(text)).toBe(false)
      const { client } = decide({ 'X-Forwarded-For': text }, { xFor: 1 })
      expect(banned.has(client.address ?? '')).toBe(true)
    },
  )

  it('is one proxy, in peers and in blocks', () => {
    const peer = '::ffff:10.0.0.1' // as a socket that takes both families shows it
    expect(isOurs(peer)).toBe(false)
    const headers = { 'X-Forwarded-For': CLIENT }
    for (const trustedProxies of ['10.0.0.0/8', '10.0.0.1', '::ffff:10.0.0.0/104', '::ffff:a00:1']) {
      for (const address of [peer, PROXY, '::ffff:a00:1']) {
        const { client } = decide(headers, { xFor: 'trusted', trustedProxies }, { address })
        expect(client, `${trustedProxies} ${address}`).toStrictEqual({ address: CLIENT })
      }
    }
  })

  it.each(['64:ff9b::a00:1', '2002:a00:1::', '::a00:1'])('is not found in what only embeds it: %s', (text) => {
    const embedded = /^(?:64:ff9b::|2002:|::)([\da-f]+):([\da-f]+)/.exec(text)
    const [high = 0, low = 0] = (embedded ?? []).slice(1).map((group) => Number.parseInt(group, 16))
    expect([high >> 8, high & 255, low >> 8, low & 255].join('.')).toBe(PROXY)

    // Whoever holds that address chose what stands left of it.
    const { client } = decide({ 'X-Forwarded-For': `${FORGED}, ${text}` })
    expect(client).toStrictEqual({ address: text })
  })
})

describe('octal, hexadecimal, short and whole-number IPv4 (CVE-2021-28918, CVE-2021-29418, CVE-2023-42282)', () => {
  /** As C's inet_aton reads it, but for octal, which every reader takes otherwise. */
  function inetAton(text: string): number {
    const parts = text.split('.').map(Number)
    const last = parts.pop() ?? Number.NaN
    return parts.reduce((sum, part, index) => sum + part * 256 ** (3 - index), 0) + last
  }

  it.each(['010.0.0.1', '0x0a.0.0.1', '0x0a000001', '167772161', '10.1', '10.0.1', '10.0.0.01'])(
    'is no proxy of ours in a header: %s',
    (text) => {
      expect(inetAton(text)).toBe(0x0a000001)
      expect(naiveWalk([FORGED, text], (value) => inetAton(value) >>> 24 === 10)).toBe(FORGED)

      const { client, rejected } = decide({ 'X-Forwarded-For': `${FORGED}, ${text}` })
      expect(client).toStrictEqual({ address: PROXY })
      expect(rejected.map(({ field, value }) => [field, value])).toStrictEqual([['for', text]])
    },
  )

  it.each(['010.0.0.0/8', '0x0a.0.0.0/8', '10/8', '10.0.0/8', '10.0.0.0/08'])(
    'is no block in the configuration, where one reader takes it for 10.0.0.0/8 and the next for another: %s',
    (trustedProxies) => {
      const [first = '', length = ''] = trustedProxies.split(/[./].*\/|\//)
      expect([Number(first), Number(length)]).toStrictEqual([10, 8])
      expect(errorOf(() => trustPolicy({ trustedProxies }))).toBeInstanceOf(ProxyFixError)
    },
  )
})

describe('zone ids', () => {
  const options: ProxyFixOptions = { xFor: 'trusted', trustedProxies: 'fe80::/10' }
  const withoutZone = (address: string): string => address.split('%')[0] ?? ''
  const isLinkLocal = (address: string): boolean => address.startsWith('fe80:')

  it('are cut off the peer, which Node shows with one', () => {
    const peer = { address: 'fe80::1%eth0' }
    expect(new Set(['fe80::1']).has(peer.address)).toBe(false)
    const { client, peer: shown } = decide({ 'X-Forwarded-For': CLIENT }, options, peer)
    expect({ client, peer: shown }).toStrictEqual({ client: { address: CLIENT }, peer: { address: 'fe80::1' } })
  })

  it('make no address of a header, since anything may stand in one', () => {
    const list = [FORGED, 'fe80::1%<script>']
    expect(naiveWalk(list, (address) => isLinkLocal(withoutZone(address)))).toBe(FORGED)
    const { client } = decide({ 'X-Forwarded-For': list.join(', ') }, options, { address: 'fe80::1%eth0' })
    expect(client).toStrictEqual({ address: 'fe80::1' })
  })
})

describe('empty entries shift hop counts', () => {
  it.each([`${FORGED}, , 10.0.0.2`, `${FORGED},,10.0.0.2`, `${FORGED},\t,10.0.0.2`])(
    'as values they do not: %j',
    (list) => {
      const dropped = items(list).filter((item) => item !== '')
      expect(dropped.at(-2)).toBe(FORGED)
      for (const options of [{ xFor: 2 }, { xFor: 2, trustedProxies: '10.0.0.0/8' }] as const) {
        const { client, verdicts } = decide({ 'X-Forwarded-For': list }, options)
        expect({ client, verdict: verdicts.for }).toStrictEqual({ client: { address: PROXY }, verdict: 'empty' })
      }
      const walked = decide({ 'X-Forwarded-For': list })
      expect(walked.client).toStrictEqual({ address: '10.0.0.2' })
    },
  )

  it('nor do they in Forwarded', () => {
    const forwarded = `for=${FORGED}, , for=10.0.0.2`
    expect(
      items(forwarded)
        .filter((item) => item !== '')
        .at(-2),
    ).toBe(`for=${FORGED}`)
    const { client, verdicts } = decide({ Forwarded: forwarded }, { forwarded: 2 })
    expect({ client, verdict: verdicts.for }).toStrictEqual({ client: { address: PROXY }, verdict: 'empty' })
  })
})

describe('huge lists, and expressions that backtrack', () => {
  it('a walk ends, however many addresses of ours the client writes', () => {
    const list = [FORGED, ...Array.from({ length: 100_000 }, () => '10.0.0.2')]
    let asked = 0
    const ask = (address: string): boolean => {
      asked++
      return isOurs(address)
    }
    expect(naiveWalk(list, ask)).toBe(FORGED)
    expect(asked).toBe(100_001)

    asked = 0
    const { client } = decide({ 'X-Forwarded-For': list.join(',') }, { xFor: 'trusted', trustedProxies: ask })
    expect(client).toStrictEqual({ address: '10.0.0.2' })
    expect(asked).toBeLessThanOrEqual(33) // the peer, and the 32 values of maxHops
  })

  it.each([
    { name: 'X-Forwarded-For', options: { xFor: 'trusted', trustedProxies: '10.0.0.0/8' } },
    { name: 'Forwarded', options: { forwarded: 'trusted', trustedProxies: '10.0.0.0/8' } },
  ] as const)('blanks cost no more than other text: $name', ({ name, options }) => {
    const value = `${CLIENT}${' '.repeat(15_000)}x`
    const policy = trustPolicy(options)
    // A pattern like /\s+$/ takes a tenth of a second for each: the test would not end.
    for (let repeat = 0; repeat < 5000; repeat++) decide({ [name]: value }, policy)
    expect(decide({ [name]: value }, policy).client).toStrictEqual({ address: PROXY })
  })
})

describe('a unix socket has no peer, and no peer is trusted (dotnet/aspnetcore PR #67816)', () => {
  const headers = { 'X-Forwarded-For': FORGED, 'X-Forwarded-Proto': 'https' }

  it('is closed until it is opened by name', () => {
    const naive = (address: string | undefined): boolean => address === undefined || isOurs(address)
    expect(naive(undefined)).toBe(true)
    for (const trustedProxies of ['10.0.0.0/8', 'loopback, linklocal, private', '0.0.0.0/0, ::/0', []]) {
      const { client, scheme, trusted } = decide(headers, { xFor: 1, trustedProxies }, {})
      expect({ client, scheme, trusted }).toStrictEqual({ client: {}, scheme: 'http', trusted: false })
    }
    expect(decide(headers, { xFor: 1, trustedProxies: 'unix' }, {}).trusted).toBe(true)
  })

  it('is not opened by text that is no address', () => {
    const naive = (address: string): boolean => !/^\d+\.\d+\.\d+\.\d+$/.test(address) || isOurs(address)
    for (const address of ['', '@', 'unix', 'localhost', '10.0.0.1.evil.example']) {
      expect(naive(address), address).toBe(true)
      const { client, trusted } = decide(headers, { xFor: 1, trustedProxies: '10.0.0.0/8, loopback' }, { address })
      expect({ client, trusted }, address).toStrictEqual({ client: {}, trusted: false })
    }
  })
})

describe('trust in everybody, or in every customer of a CDN (Laravel *, aspnetcore #47408)', () => {
  const headers = { 'X-Forwarded-For': `${FORGED}, ${CLIENT}` }

  it('cannot be asked for with a star', () => {
    expect(naiveWalk(items(headers['X-Forwarded-For']), () => true)).toBe(FORGED)
    const error = errorOf(() => trustPolicy({ xFor: 'trusted', trustedProxies: '*' }))
    expect(error).toBeInstanceOf(ProxyFixError)
  })

  it.each(['0.0.0.0/0', '::/0', '0.0.0.0/1'])('is warned of: %s', (trustedProxies) => {
    expect(naiveWalk(items(headers['X-Forwarded-For']), () => true)).toBe(FORGED)
    const { warnings } = trustPolicy({ xFor: 'trusted', trustedProxies })
    expect(warnings.filter((warning) => warning.includes(trustedProxies))).not.toHaveLength(0)
  })

  it('can be held by a number of hops', () => {
    expect(naiveWalk(items(headers['X-Forwarded-For']), () => true)).toBe(FORGED)
    for (const options of [
      { xFor: 1, trustedProxies: '0.0.0.0/0' },
      { xFor: 'trusted', trustedProxies: '0.0.0.0/0', maxHops: 1 },
    ] as const) {
      expect(decide(headers, options).client).toStrictEqual({ address: CLIENT })
    }
  })

  it('can be held by a secret, which another customer of the same CDN does not have', () => {
    const ofTheCdn = '10.1.2.3'
    expect(isOurs(ofTheCdn)).toBe(true) // so its X-Forwarded-For is believed
    const options: ProxyFixOptions = {
      xFor: 1,
      trustedProxies: '10.0.0.0/8',
      secret: { header: 'X-Origin-Verify', values: 'correct-horse-battery' },
    }
    for (const guess of [undefined, '', 'correct-horse', 'correct-horse-battery-staple', 'Correct-Horse-Battery']) {
      const sent = guess === undefined ? headers : { ...headers, 'X-Origin-Verify': guess }
      const { client, trusted } = decide(sent, options, { address: ofTheCdn })
      expect({ client, trusted }, guess).toStrictEqual({ client: { address: ofTheCdn }, trusted: false })
    }
    const proven = { ...headers, 'X-Origin-Verify': 'correct-horse-battery' }
    expect(decide(proven, options, { address: ofTheCdn }).client).toStrictEqual({ address: CLIENT })
    expect(decide(proven, options, { address: STRANGER }).client).toStrictEqual({ address: STRANGER })
  })
})

describe('stale ranges of a provider (symfony #58837, envoy gateway #4489)', () => {
  it('can be refreshed while the server runs', () => {
    const ranges = new Set(['10.0.0.1', '10.0.0.2'])
    const compiledIn = new Set(ranges)
    const options: ProxyFixOptions = { xFor: 1, trustedProxies: (address) => ranges.has(address) }
    const policy = trustPolicy(options)
    const headers = { 'X-Forwarded-For': FORGED }
    const clientAt = (address: string): string | undefined =>
      resolveConnection({ peer: { address }, scheme: 'http', headers }, policy).client.address
    expect(clientAt('10.0.0.2')).toBe(FORGED)

    ranges.delete('10.0.0.2') // the provider gave the address up, and somebody else has it now
    expect(compiledIn.has('10.0.0.2')).toBe(true)
    expect(clientAt('10.0.0.2')).toBe('10.0.0.2')
  })
})

describe('heuristics of what is internal (CVE-2024-45806)', () => {
  const PRIVATE = /^(?:10\.|127\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|192\.168\.|::1$|f[cd]|fe80:)/

  it.each(['192.168.1.9', '172.20.0.4', '127.0.0.1', '169.254.1.1', 'fd00::9', 'fe80::9', '::1', '10.9.9.9'])(
    'trust nobody who is not named: %s',
    (neighbour) => {
      expect(PRIVATE.test(neighbour)).toBe(true)
      const list = [FORGED, neighbour]
      expect(naiveWalk(list, (address) => PRIVATE.test(address))).toBe(FORGED)
      const options: ProxyFixOptions = { xFor: 'trusted', trustedProxies: PROXY }
      expect(decide({ 'X-Forwarded-For': list.join(', ') }, options).client).toStrictEqual({ address: neighbour })
      expect(decide({ 'X-Forwarded-For': FORGED }, options, { address: neighbour })).toMatchObject({
        client: { address: neighbour },
        trusted: false,
      })
    },
  )
})

describe('a typo in the options silently turns them off (werkzeug #1414)', () => {
  it.each([
    { typo: { x_for: 0 }, meant: 'xFor' },
    { typo: { xfor: 0 }, meant: 'xFor' },
    { typo: { xProtocol: 0 }, meant: undefined },
    { typo: { trustedProxy: '10.0.0.1' }, meant: 'trustedProxies' },
    { typo: { allowedHost: ['shop.example'] }, meant: 'allowedHosts' },
    { typo: { trustProxy: 'loopback' }, meant: undefined },
  ])('throws, and names what was meant: $typo', ({ typo, meant }) => {
    const defaults = { xFor: 1, xProto: 1, trustedProxies: undefined, allowedHosts: undefined }
    const { xFor, xProto, trustedProxies, allowedHosts } = { ...defaults, ...typo }
    expect({ xFor, xProto, trustedProxies, allowedHosts }).toStrictEqual(defaults) // believed, whatever was meant

    const error = errorOf(() => trustPolicy(typo as ProxyFixOptions))
    expect(error).toBeInstanceOf(ProxyFixError)
    expect(String(error)).toContain(Object.keys(typo)[0])
    if (meant !== undefined) expect(String(error)).toContain(`did you mean ${meant}`)
  })

  it('throws in the options within options too', () => {
    const typo = { secret: { header: 'X-Origin-Verify', value: 'correct-horse-battery' } }
    expect('values' in typo.secret).toBe(false) // and no value is what an absent header holds
    expect(errorOf(() => trustPolicy(typo as unknown as ProxyFixOptions))).toBeInstanceOf(ProxyFixError)
  })
})

describe('the middleware runs twice, and the second time on its own answer (ASP.NET)', () => {
  const LIST = `${FORGED}, 10.0.0.9, ${PROXY}`

  it('fools whoever writes the client where the peer stood', () => {
    let remoteAddress = PROXY
    let list = items(LIST)
    const naive = (): void => {
      if (!isOurs(remoteAddress)) return
      remoteAddress = list.at(-1) ?? remoteAddress
      list = list.slice(0, -1)
    }
    naive()
    const once = remoteAddress
    naive()
    naive()
    expect([once, remoteAddress]).toStrictEqual([PROXY, FORGED])
  })

  it.each(['normalize', 'keep', 'remove'] as const)('decides once, headers: %s', (headers) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    onTestFinished(() => warn.mockRestore())
    const options: ProxyFixOptions = { xFor: 1, trustedProxies: '10.0.0.0/8', headers }

    const req = nodeRequest(PROXY, { Host: 'app.internal', 'X-Forwarded-For': LIST })
    const seen = [1, 2, 3].map(() => {
      const { client, peer, trusted } = connectionInfo(fixRequest(req, options))
      return { client, peer, trusted, shown: req.socket.remoteAddress, header: req.headers['x-forwarded-for'] }
    })
    const header = { normalize: PROXY, keep: LIST, remove: undefined }[headers]
    const decided = { client: { address: PROXY }, peer: { address: PROXY }, trusted: true, shown: PROXY, header }
    expect(seen).toStrictEqual([decided, decided, decided])

    const fetched = new Request('http://app.internal/', { headers: { 'X-Forwarded-For': LIST } })
    const once = fixRequest(fetched, { xFor: 1, headers })
    const twice = fixRequest(once, { xFor: 2, headers })
    expect(connectionInfo(twice).client).toStrictEqual({ address: PROXY })
  })
})

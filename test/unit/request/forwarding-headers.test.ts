/**
 * What each header holds afterwards (contract rule 10), name by name. Asked of a Fetch request, since its headers
 * are the plainest; that Node's three stores hold the same is in node.test.ts and test/property/one-answer.test.ts.
 */

import { describe, expect, it } from 'vitest'
import { fixRequest, type ProxyFixOptions } from '../../../src/index.ts'

const OPTIONS = { xFor: 2, xProto: 1, xHost: 1, xPort: 1, xPrefix: 1 } as const

/** The header after a request through two proxies that decided on 203.0.113.7, https, shop.example:8443 and /shop. */
function headerAfter(name: string, mode: NonNullable<ProxyFixOptions['headers']>): string | null {
  const request = new Request('http://app.internal/', {
    headers: {
      'X-Forwarded-For': '6.6.6.6, 203.0.113.7, 10.0.0.2',
      'X-Forwarded-Proto': 'https',
      'X-Forwarded-Host': 'shop.example',
      'X-Forwarded-Port': '8443',
      'X-Forwarded-Prefix': '/shop/',
    },
  })
  if (!request.headers.has(name)) request.headers.set(name, 'forged')
  return fixRequest(request, { ...OPTIONS, headers: mode }).headers.get(name)
}

const DECIDED: readonly [name: string, value: string][] = [
  ['X-Forwarded-For', '203.0.113.7'],
  ['X-Forwarded-Proto', 'https'],
  ['X-Forwarded-Host', 'shop.example:8443'],
  ['X-Forwarded-Port', '8443'],
  ['X-Forwarded-Prefix', '/shop'],
  ['X-Real-IP', '203.0.113.7'],
  ['X-Client-IP', '203.0.113.7'],
  ['X-Cluster-Client-IP', '203.0.113.7'],
  ['True-Client-IP', '203.0.113.7'],
  ['CF-Connecting-IP', '203.0.113.7'],
  ['CF-Connecting-IPv6', '203.0.113.7'],
  ['CF-Pseudo-IPv4', '203.0.113.7'],
  ['Fastly-Client-IP', '203.0.113.7'],
  ['X-Appengine-User-IP', '203.0.113.7'],
]

const GONE = [
  'Forwarded',
  'X-Forwarded',
  'Forwarded-For',
  'X-Forwarded-Protocol',
  'X-Forwarded-Scheme',
  'X-Forwarded-Ssl',
  'X-Forwarded-Server',
  'X-Forwarded-By',
  'X-Original-For',
  'X-Original-Host',
  'X-Original-Proto',
  'X-Url-Scheme',
  'X-Script-Name',
  'Front-End-Https',
] as const

const SPELLED_OTHERWISE = [...DECIDED.map(([name]) => name), ...GONE]
  .filter((name) => name.includes('-'))
  .flatMap((name) => [
    name.replaceAll('-', '_'),
    name.replaceAll('-', '.'),
    name.replace('-', '_'),
    name.replace('-', '.').toUpperCase(),
  ])

const LEFT_ALONE = [
  'X-Forwarded-Fox',
  'X-Forwarded-Foo',
  'X-Real-Ipx',
  'XX-Forwarded-For',
  'XForwardedFor',
  'X-Forwarded-For-2',
  'Forwarded-By',
  'Cf-Ray',
  'Cf-Ipcountry',
  'X-Request-Id',
  'X-Requested-With',
  'Traceparent',
  'Transfer',
  'Via',
  'Cookie',
  'Authorization',
] as const

describe('normalize', () => {
  it.each(DECIDED)('%s holds the one decided value, %s', (name, value) => {
    expect(headerAfter(name, 'normalize')).toBe(value)
    expect(headerAfter(name.toUpperCase(), 'normalize')).toBe(value)
  })

  it.each(GONE)('%s is gone', (name) => {
    expect(headerAfter(name, 'normalize')).toBeNull()
  })

  it.each(SPELLED_OTHERWISE)('%s, which a CGI-style reader takes for the real thing, is gone', (name) => {
    expect(headerAfter(name, 'normalize')).toBeNull()
  })

  it.each(LEFT_ALONE)('%s is left alone', (name) => {
    expect(headerAfter(name, 'normalize')).toBe('forged')
  })

  it('adds none that was not sent', () => {
    const request = new Request('http://app/', {
      headers: { 'x-real-ip': '6.6.6.6', 'x-forwarded-for': '203.0.113.7' },
    })
    expect([...fixRequest(request).headers.keys()]).toStrictEqual(['x-forwarded-for', 'x-real-ip'])
  })

  it('takes away what has no decided value', () => {
    const sent = Object.fromEntries(DECIDED.map(([name]) => [name, 'forged']))
    const { headers } = fixRequest(new Request('http://app/', { headers: sent }))
    expect(Object.fromEntries(headers)).toStrictEqual({
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'app',
      'x-forwarded-port': '80',
    })
  })
})

describe('remove', () => {
  it.each([...DECIDED.map(([name]) => name), ...GONE])('%s is gone', (name) => {
    expect(headerAfter(name, 'remove')).toBeNull()
  })

  it.each(SPELLED_OTHERWISE)('%s is gone', (name) => {
    expect(headerAfter(name, 'remove')).toBeNull()
  })

  it.each(LEFT_ALONE)('%s is left alone', (name) => {
    expect(headerAfter(name, 'remove')).toBe('forged')
  })
})

describe('keep', () => {
  it.each([...DECIDED.slice(5).map(([name]) => name), ...GONE, ...SPELLED_OTHERWISE, ...LEFT_ALONE])(
    '%s is as it was sent',
    (name) => {
      expect(headerAfter(name, 'keep')).toBe('forged')
    },
  )
})

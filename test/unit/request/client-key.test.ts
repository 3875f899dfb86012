/** Under which key are the requests of one client counted? */

import { describe, expect, it } from 'vitest'
import {
  clientKey,
  type ClientKeyOptions,
  fixRequest,
  ProxyFixError,
  type ProxyFixOptions,
} from '../../../src/index.ts'

/** The key of a request whose client is told by that header. */
function keyOf(headers: Record<string, string>, options: ProxyFixOptions, keyOptions?: ClientKeyOptions): string {
  return clientKey(fixRequest(new Request('http://app/', { headers }), options), keyOptions)
}

function thrownBy(ask: () => unknown): unknown {
  try {
    return ask()
  } catch (error) {
    return error
  }
}

describe('clientKey', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7:4711', '203.0.113.7'],
    ['"203.0.113.7:4711"', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['[::ffff:203.0.113.7]:80', '203.0.113.7'],
    ['2001:db8:1:ffff:2::3', '2001:db8:1:ff00::/56'],
    ['2001:DB8:1:FFAA::', '2001:db8:1:ff00::/56'],
    ['[2001:db8:1:ffff::]:80', '2001:db8:1:ff00::/56'],
    ['fe80::1%eth0', 'fe80::/56'],
    ['::1', '::/56'],
  ])('of the address %s is %s', (address, key) => {
    expect(clientKey(address)).toBe(key)
  })

  it.each<{ ipv6Subnet: number | undefined; key: string }>([
    { ipv6Subnet: undefined, key: '2001:db8:1:ff00::/56' },
    { ipv6Subnet: 64, key: '2001:db8:1:ffff::/64' },
    { ipv6Subnet: 48, key: '2001:db8:1::/48' },
    { ipv6Subnet: 1, key: '::/1' },
    { ipv6Subnet: 128, key: '2001:db8:1:ffff:2::3/128' },
  ])('takes ipv6Subnet: $ipv6Subnet', ({ ipv6Subnet, key }) => {
    expect(clientKey('2001:db8:1:ffff:2::3', { ipv6Subnet })).toBe(key)
    expect(clientKey('203.0.113.7', { ipv6Subnet })).toBe('203.0.113.7')
    expect(keyOf({ 'X-Forwarded-For': '[2001:db8:1:ffff:2::3]:80' }, {}, { ipv6Subnet })).toBe(key)
  })

  it.each<{ name: string; headers: Record<string, string>; options: ProxyFixOptions; key: string }>([
    { name: 'IPv4', headers: { 'X-Forwarded-For': '6.6.6.6, 203.0.113.7:80' }, options: {}, key: '203.0.113.7' },
    { name: 'IPv6', headers: { 'X-Forwarded-For': '2001:db8::7' }, options: {}, key: '2001:db8::/56' },
    { name: 'unknown to the proxy', headers: { Forwarded: 'for=UNKNOWN' }, options: { forwarded: 1 }, key: 'unknown' },
    { name: 'hidden', headers: { Forwarded: 'for="_hidden:80"' }, options: { forwarded: 1 }, key: '_hidden' },
    { name: 'unknown to the platform', headers: {}, options: {}, key: 'unknown' },
  ])('of a request whose client is $name is $key', ({ headers, options, key }) => {
    expect(keyOf(headers, options)).toBe(key)
  })

  it('counts two addresses of one network as one client, and two networks as two', () => {
    const of = (address: string): string => clientKey(address)
    expect(of('2001:db8:0:ff00::1')).toBe(of('2001:db8:0:ffff:ffff:ffff:ffff:ffff'))
    expect(of('2001:db8:0:ff00::1')).not.toBe(of('2001:db8:0:fe00::1'))
    expect(of('203.0.113.7')).not.toBe(of('203.0.113.8'))
  })

  it.each<{ ipv6Subnet: unknown; shown: string }>([
    { ipv6Subnet: 0, shown: '0' },
    { ipv6Subnet: -1, shown: '-1' },
    { ipv6Subnet: 129, shown: '129' },
    { ipv6Subnet: 56.5, shown: '56.5' },
    { ipv6Subnet: Number.NaN, shown: 'NaN' },
    { ipv6Subnet: '56', shown: "'56'" },
    { ipv6Subnet: null, shown: 'null' },
    { ipv6Subnet: false, shown: 'false' },
  ])('refuses ipv6Subnet: $ipv6Subnet, for any client', ({ ipv6Subnet, shown }) => {
    const error = thrownBy(() => clientKey('203.0.113.7', { ipv6Subnet } as ClientKeyOptions))
    expect(error).toBeInstanceOf(ProxyFixError)
    expect(error).toMatchObject({
      code: 'ERR_PROXYFIX_OPTION',
      message: `The option ipv6Subnet must be a whole number of bits from 1 to 128, not ${shown}.`,
    })
  })

  it.each([{ ipv6subnet: 64 }, { subnet: 64 }, { ipv6Subnet: 64, ipv4Subnet: 24 }])(
    'refuses %o, whose last option there is not',
    (options) => {
      const name = Object.keys(options).at(-1)
      expect(thrownBy(() => clientKey('203.0.113.7', options as ClientKeyOptions))).toMatchObject({
        code: 'ERR_PROXYFIX_OPTION',
        message: `There is no option ${name}: clientKey knows ipv6Subnet.`,
      })
    },
  )

  it.each(['', 'localhost', 'unknown', '_hidden', '010.0.0.1', '203.0.113.7, 6.6.6.6', '203.0.113.7/32'])(
    'refuses the text %j',
    (text) => {
      expect(thrownBy(() => clientKey(text))).toMatchObject({
        code: 'ERR_PROXYFIX_OPTION',
        message: `clientKey needs a fixed request or an IP address, not '${text}'.`,
      })
    },
  )

  it.each<{ name: string; value: unknown }>([
    { name: 'a request that nobody fixed', value: new Request('http://app/') },
    { name: 'an object', value: {} },
    { name: 'nothing', value: undefined },
    { name: 'null', value: null },
    { name: 'a number', value: 7 },
  ])('refuses $name', ({ value }) => {
    const error = thrownBy(() => clientKey(value as object))
    expect(error).toBeInstanceOf(ProxyFixError)
    expect(error).toMatchObject({ code: 'ERR_PROXYFIX_NOT_FIXED' })
    expect((error as Error).message).toMatch(/^clientKey needs a request that proxyFix has fixed: /)
    expect((error as Error).message).toContain('under proxyfix serve set --x-for 0')
  })
})

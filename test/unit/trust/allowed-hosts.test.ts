/** Which hosts a list has: names without case and trailing dot, whole labels. */

import { describe, expect, it } from 'vitest'
import { ProxyFixError } from '../../../src/index.ts'
import { allowedHosts } from '../../../src/trust/allowed-hosts.ts'

describe('a list of hosts', () => {
  it.each([
    { list: ['example.com'], host: 'example.com', has: true },
    { list: ['EXAMPLE.com.'], host: 'example.com', has: true },
    { list: ['example.com'], host: 'example.com.', has: true },
    { list: ['example.com'], host: 'www.example.com', has: false },
    { list: ['example.com'], host: 'xample.com', has: false },
    { list: ['example.com'], host: 'com', has: false },
    { list: ['.example.com'], host: 'example.com', has: true },
    { list: ['.example.com'], host: 'www.example.com', has: true },
    { list: ['.example.com'], host: 'a.b.c.example.com.', has: true },
    { list: ['.example.com'], host: 'evilexample.com', has: false },
    { list: ['.example.com'], host: 'example.com.evil.example', has: false },
    { list: ['.example.com.'], host: 'www.example.com', has: true },
    { list: ['.com'], host: 'example.com', has: true },
    { list: ['b\u00fccher.example'], host: 'xn--bcher-kva.example', has: true },
    { list: ['.B\u00dcCHER.example'], host: 'www.xn--bcher-kva.example', has: true },
    { list: ['192.0.2.1'], host: '192.0.2.1', has: true },
    { list: ['192.0.2.1'], host: '192.0.2.10', has: false },
    { list: ['[::1]'], host: '[::1]', has: true },
    { list: ['[2001:DB8:0::1]'], host: '[2001:db8::1]', has: true },
    { list: ['localhost'], host: 'localhost', has: true },
    { list: ['my_host'], host: 'my_host', has: true },
    { list: [], host: 'example.com', has: false },
    { list: ['a.example', 'b.example'], host: 'b.example', has: true },
  ])('$list has $host: $has', ({ list, host, has }) => {
    expect(allowedHosts(list, 'The list')(host)).toBe(has)
  })

  it.each([
    { list: undefined, says: "The list must be a list like ['example.com', '.example.org'], not undefined." },
    { list: 'example.com', says: "not 'example.com'." },
    { list: new Set(['example.com']), says: 'The list must be a list' },
    { list: [undefined], says: 'The list takes host names, not undefined.' },
    { list: [['example.com']], says: 'The list takes host names, not an array.' },
    { list: [''], says: "The list cannot take '': write a host name" },
    { list: ['.'], says: "The list cannot take '.'" },
    { list: ['..example.com'], says: 'The list cannot take' },
    { list: ['*.example.com'], says: "The list cannot take '*.example.com'" },
    { list: ['example.*'], says: 'The list cannot take' },
    {
      list: ['example.com:443'],
      says: "The list cannot take 'example.com:443': ports are not compared, so write 'example.com'.",
    },
    { list: ['.example.com:443'], says: 'ports are not compared' },
    { list: ['::1'], says: "an address ('[::1]' in brackets)" },
    { list: ['http://example.com'], says: 'The list cannot take' },
    { list: ['example.com/'], says: 'The list cannot take' },
    { list: ['user@example.com'], says: 'The list cannot take' },
    { list: ['b\u00fccher.example/x'], says: 'The list cannot take' },
    { list: ['b\u00fccher.example:80'], says: 'The list cannot take' },
    { list: ['192.0.2'], says: 'The list cannot take' },
    { list: ['0x7f.1'], says: 'The list cannot take' },
    { list: ['exa mple.com'], says: 'The list cannot take' },
    { list: ['\u2025example.com'], says: 'The list cannot take' },
    { list: ['ok.example', '*'], says: "The list cannot take '*'" },
  ])('cannot be $list', ({ list, says }) => {
    const make = (): unknown => allowedHosts(list, 'The list')
    expect(make).toThrow(ProxyFixError)
    expect(make).toThrow(says)
  })
})

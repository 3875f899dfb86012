/**
 * What is a host? Each refused text is one that some parser takes for another host than the next (contract rule 4).
 */

import { describe, expect, it } from 'vitest'
import { parseAuthority } from '../../../src/trust/authority.ts'

/** The longest name there is: 253 characters in four labels (RFC 1035 §2.3.4). */
const LONGEST = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`

describe('parseAuthority', () => {
  it.each<[string, string, number | undefined]>([
    ['localhost', 'localhost', undefined],
    ['Shop.EXAMPLE', 'shop.example', undefined],
    ['shop.example:1', 'shop.example', 1],
    ['shop.example:65535', 'shop.example', 65535],
    ['shop.example.', 'shop.example.', undefined],
    ['shop.example.:80', 'shop.example.', 80],
    ['a', 'a', undefined],
    ['a-b', 'a-b', undefined],
    ['-a-', '-a-', undefined],
    ['_dmarc.shop_1.example', '_dmarc.shop_1.example', undefined],
    ['1a', '1a', undefined],
    ['1.2.3.4a', '1.2.3.4a', undefined],
    ['1.example', '1.example', undefined],
    ['0x1.example', '0x1.example', undefined],
    ['example.0xg', 'example.0xg', undefined],
    ['x0', 'x0', undefined],
    ['0.0.0.0', '0.0.0.0', undefined],
    ['192.0.2.1:8080', '192.0.2.1', 8080],
    ['[::1]', '[::1]', undefined],
    ['[::1]:8080', '[::1]', 8080],
    ['[2001:DB8:0:0::0:1]', '[2001:db8::1]', undefined],
    ['[::ffff:192.0.2.1]', '[::ffff:c000:201]', undefined],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example', undefined],
    ['XN--BCHER-KVA.example:8080', 'xn--bcher-kva.example', 8080],
    [LONGEST, LONGEST, undefined],
    [`${LONGEST}.`, `${LONGEST}.`, undefined],
    [`${'a'.repeat(63)}.example`, `${'a'.repeat(63)}.example`, undefined],
  ])('%s is %s', (text, hostname, port) => {
    expect(parseAuthority(text)).toStrictEqual({ hostname, port })
  })

  it.each([
    ['nothing', ''],
    ['a dot', '.'],
    ['two dots', '..'],
    ['a leading dot', '.example'],
    ['an empty label', 'shop..example'],
    ['two trailing dots', 'shop.example..'],
    ['a label of 64 characters', `${'a'.repeat(64)}.example`],
    ['a name of 254 characters', `${LONGEST}d`],
    ['a name of 254 characters and a dot', `${LONGEST}d.`],
    ['a name beyond all measure', 'a.'.repeat(100_000)],
    ['userinfo', 'good.example@evil.example'],
    ['userinfo with a password', 'a:b@evil.example'],
    ['a slash', 'evil.example/'],
    ['a backslash', 'evil.example\\'],
    ['a query', 'evil.example?'],
    ['a fragment', 'evil.example#'],
    ['a blank', 'evil .example'],
    ['a leading blank', ' evil.example'],
    ['a trailing blank', 'evil.example '],
    ['a tab', 'evil\t.example'],
    ['a line break', 'evil.example\r\nX: y'],
    ['NUL', 'evil\0.example'],
    ['DEL', 'evil\x7f.example'],
    ['a percent sign', 'evil%2eexample'],
    ['a percent sign alone', '%'],
    ['a comma', 'a,b'],
    ['a semicolon', 'a;b'],
    ['an asterisk', '*.example'],
    ['a quote', '"shop.example"'],
    ['a scheme', 'http://shop.example'],
    ['a letter that is not ASCII', 'bücher.example'],
    ['a letter that lower case would make ASCII', '\u212aelvin.example'],
    ['a full-width letter', 'ｅvil.example'],
    ['a dot that is not ASCII', 'shop。example'],
    ['a soft hyphen', 'sh\u00adop.example'],
    ['a lone surrogate', '\ud800.example'],
    ['an empty port', 'shop.example:'],
    ['port 0', 'shop.example:0'],
    ['a port with a leading zero', 'shop.example:080'],
    ['port 65536', 'shop.example:65536'],
    ['a port with a sign', 'shop.example:+80'],
    ['a port that is a name', 'shop.example:http'],
    ['a port with a blank', 'shop.example: 80'],
    ['a port with a path', 'shop.example:80/'],
    ['two ports', 'shop.example:80:80'],
    ['a port alone', ':80'],
    ['a bare IPv6 address', '2001:db8::1'],
    ['the bare loopback', '::1'],
    ['brackets round nothing', '[]'],
    ['an open bracket', '[::1'],
    ['a closing bracket', '::1]'],
    ['brackets round IPv4', '[192.0.2.1]'],
    ['brackets round a name', '[shop.example]'],
    ['brackets and a name', '[::1]shop.example'],
    ['brackets and a dot', '[::1].'],
    ['two pairs of brackets', '[[::1]]'],
    ['a zone', '[fe80::1%eth0]'],
    ['an encoded zone', '[fe80::1%25eth0]'],
    ['an address of a future version', '[v1.fe80::a+en1]'],
    ['an empty port after brackets', '[::1]:'],
    ['a number', '2130706433'],
    ['a hexadecimal number', '0x7f000001'],
    ['a hexadecimal prefix alone', '0x'],
    ['a short address', '192.0.2'],
    ['an address with a leading zero', '192.0.2.01'],
    ['an octal address', '0300.0.2.1'],
    ['a hexadecimal address', '0xc0.0.2.1'],
    ['an address out of range', '192.0.2.256'],
    ['five octets', '192.0.2.1.1'],
    ['an address with a trailing dot', '192.0.2.1.'],
    ['a name with a number at the end', 'evil.example.1'],
    ['a name with a hexadecimal number at the end', 'evil.0x1F'],
    ['a name with a number and a dot at the end', 'evil.1.'],
    ['a name with an octal number at the end', 'evil.08'],
  ])('%s is no host', (_name, text) => {
    expect(parseAuthority(text)).toBeUndefined()
  })

  it.each(['xn--', 'xn--.example', 'xn--a', 'xn--0.example', 'xn--a-ecp.ru', 'xn--zzzzzz.example', 'shop.xn--'])(
    'takes %s, whose punycode is none, for a host just where the URL parser of this runtime does',
    (text) => {
      // Node 20 refuses these, Node 24 takes a name that is ASCII as it is.
      let isHost = true
      try {
        expect(new URL(`http://${text}/`).hostname).toBe(text)
      } catch {
        isHost = false
      }
      expect(parseAuthority(text)).toStrictEqual(isHost ? { hostname: text, port: undefined } : undefined)
    },
  )
})

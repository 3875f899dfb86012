/** What does an element of `Forwarded` say, and where does it begin? (RFC 7239, contract rule 9) */

import { describe, expect, it } from 'vitest'
import type { ConnectionFacts, ConnectionInfo, RejectedValue } from '../../../src/trust/connection.ts'
import {
  elementsFromRight,
  elementStart,
  type ForwardedElement,
  formatElement,
  parseElement,
  parseNode,
} from '../../../src/trust/forwarded.ts'
import type { ProxyFixOptions } from '../../../src/trust/options.ts'
import { resolveConnection } from '../../../src/trust/resolve.ts'

describe('elementStart', () => {
  it.each<{ name: string; before: string; element: string }>([
    { name: 'the only element', before: '', element: 'for=a' },
    { name: 'the last of two', before: 'for=a,', element: ' for=b' },
    { name: 'an empty one at the end', before: 'for=a,', element: '' },
    { name: 'one after an empty one', before: ',', element: 'for=a' },
    { name: 'a comma in quotes', before: 'for=a,', element: 'for="b,c"' },
    { name: 'several strings in quotes', before: 'for=a,', element: 'for="b,c";host="d,e"' },
    { name: 'an escaped quote', before: 'for=a,', element: 'x="b\\",c"' },
    { name: 'an escaped backslash at the end of a string', before: 'for=a,', element: 'x="b,c\\\\"' },
    { name: 'an escaped backslash and an escaped quote', before: 'for=a,', element: 'x="b\\\\\\",c"' },
    { name: 'an empty string', before: 'for=a,', element: 'x=""' },
    // What a client leaves open to the left changes nothing.
    { name: 'an open quote to the left', before: 'for="a,', element: 'for=b' },
    { name: 'an open quote and an escape to the left', before: 'for="a\\,', element: 'for=b' },
    { name: 'a quote to the left that would close another', before: 'for="a, for="b,', element: 'for=c' },
    { name: 'a backslash to the left of a comma', before: 'a\\,', element: 'for=b' },
    // A backslash outside quotes escapes nothing: the quote before the comma opens the string.
    { name: 'a string that the client opened is closed by the proxy', before: '', element: 'x="6.6.6.6,for="' },
  ])('is after the comma: $name', ({ before, element }) => {
    const header = before + element
    expect(elementStart(header, header.length)).toBe(before.length)
  })

  it.each<{ name: string; header: string }>([
    { name: 'one quote', header: '"' },
    { name: 'a closing quote alone', header: 'for=a, for=b"' },
    { name: 'an escaped quote and none other', header: 'for=a, x=\\"b"' },
    { name: 'three backslashes before the only other', header: ',\\\\\\"b"' },
    { name: 'a string and a quote to its left', header: 'a"b"c"' },
  ])('is nowhere when a quote has no opening one: $name', ({ header }) => {
    expect(elementStart(header, header.length)).toBe(-1)
  })

  it('looks at nothing right of the end that it is given', () => {
    expect(elementStart('for=a,for=b,for="c', 11)).toBe(6)
    expect(elementStart('for=a,for=b,for="c', 5)).toBe(0)
    expect(elementStart(',for=a', 0)).toBe(0)
  })
})

describe('elementsFromRight', () => {
  it.each<{ header: string; most: number; elements: string[] }>([
    { header: '', most: 5, elements: [''] },
    { header: 'for=a', most: 5, elements: ['for=a'] },
    { header: 'for=a,\tfor=b , for="c,d" ', most: 5, elements: ['for="c,d"', 'for=b', 'for=a'] },
    { header: 'for=a, for=b, for=c', most: 2, elements: ['for=c', 'for=b'] },
    { header: 'for=a', most: 0, elements: [] },
    { header: ',', most: 5, elements: ['', ''] },
    { header: ',for=a,', most: 5, elements: ['', 'for=a', ''] },
    { header: 'for=a, b", for=c', most: 5, elements: ['for=c', 'for=a, b"'] },
    { header: ' \t ', most: 5, elements: [''] },
  ])('$most of $header', ({ header, most, elements }) => {
    expect(elementsFromRight(header, most)).toStrictEqual(elements)
  })
})

describe('parseElement', () => {
  const none = { for: undefined, proto: undefined, host: undefined }

  it.each<{ text: string; element: ForwardedElement }>([
    { text: 'for=a', element: { ...none, for: 'a' } },
    { text: 'proto=https', element: { ...none, proto: 'https' } },
    { text: 'host=h', element: { ...none, host: 'h' } },
    { text: 'for=a;proto=p;host=h', element: { for: 'a', proto: 'p', host: 'h' } },
    { text: 'host=h;by=b;proto=p;for=a', element: { for: 'a', proto: 'p', host: 'h' } },
    { text: 'FOR=A;Proto=P;hOsT=H', element: { for: 'A', proto: 'P', host: 'H' } },
    { text: 'by=1;secret=2;ext=3', element: none },
    { text: '__proto__=x', element: none },
    { text: "!#$%&'*+-.^_`|~09azAZ=!#$%&'*+-.^_`|~09azAZ", element: none },
    // Empty pairs, which the grammar has, and blanks around the semicolons, which the field sends.
    { text: ';for=a', element: { ...none, for: 'a' } },
    { text: 'for=a;', element: { ...none, for: 'a' } },
    { text: ';;for=a;;proto=p;;', element: { ...none, for: 'a', proto: 'p' } },
    { text: ' \tfor=a \t; \tproto=p\t ', element: { ...none, for: 'a', proto: 'p' } },
    { text: '; ; for=a ; ;', element: { ...none, for: 'a' } },
    // Quotes.
    { text: 'for="a"', element: { ...none, for: 'a' } },
    { text: 'for=""', element: { ...none, for: '' } },
    { text: 'for="a;proto=b";proto=p', element: { ...none, for: 'a;proto=b', proto: 'p' } },
    { text: 'for="a,b = c"', element: { ...none, for: 'a,b = c' } },
    { text: 'for=" a "', element: { ...none, for: ' a ' } },
    { text: 'for="a\tb"', element: { ...none, for: 'a\tb' } },
    { text: 'for="a\\"b"', element: { ...none, for: 'a"b' } },
    { text: 'for="a\\\\"', element: { ...none, for: 'a\\' } },
    { text: 'for="\\a\\ \\\t\\\\\\""', element: { ...none, for: 'a \t\\"' } },
    { text: 'for="\\[::1\\]"', element: { ...none, for: '[::1]' } },
    { text: 'for="a\u0080\u00ff\\\u00e9"', element: { ...none, for: 'a\u0080\u00ff\u00e9' } },
    { text: 'for="a" ; host="h"', element: { ...none, for: 'a', host: 'h' } },
    // Addresses as the field sends them.
    { text: 'for=[2001:db8::1]:80', element: { ...none, for: '[2001:db8::1]:80' } },
    { text: 'for=192.0.2.1:80;host=a:8080', element: { ...none, for: '192.0.2.1:80', host: 'a:8080' } },
    { text: 'for=:', element: { ...none, for: ':' } },
  ])('reads %j', ({ text, element }) => {
    expect(parseElement(text, 0, text.length)).toStrictEqual(element)
    // Wherever it stands.
    expect(parseElement(`by="x,${text},for="y"`, 6, 6 + text.length)).toStrictEqual(element)
  })

  it.each(['', ' ', '\t', ';', ';;', ' ; \t;; '])('%j is empty', (text) => {
    expect(parseElement(text, 0, text.length)).toBe('empty')
    expect(parseElement(`for=x,${text},for=y`, 6, 6 + text.length)).toBe('empty')
  })

  it.each([
    'a',
    'for',
    'for ',
    'for;',
    '=',
    '=a',
    '=a;for=b',
    'for=',
    'for=;proto=p',
    'for= a',
    'for =a',
    'for\t=a',
    'for="a" b',
    'for=a b',
    'for=a proto=p',
    'for=a"b"',
    'for="a"b',
    'for="a""b"',
    'for="a',
    'for="',
    'for="a\\"',
    'for="a\\',
    'for=a"',
    "for='a b'",
    'for=a=b',
    'for=a/b',
    'for=a@b',
    'for={a}',
    'for=(a)',
    'for=<a>',
    'for=a?',
    'for=a\\b',
    'for=é',
    'for=a\u00a0',
    'f\u00f6r=a',
    'for:=a',
    '[for]=a',
    '"for"=a',
    'for="a\0"',
    'for="a\x1f"',
    'for="a\n"',
    'for="a\r\n"',
    'for="a\x7f"',
    'for="\\\0"',
    'for="\\\x7f"',
    'for="a\u0100"',
    'for="\\\u0100"',
    'for=\0',
    'for=a\r',
    'for=a\n;proto=p',
    '\u00a0for=a',
    'for=a;a',
    'for=a;;=',
    ',for=a',
    'for=a,for=b',
    // Twice, of which one reader takes the first and the other the last.
    'for=a;for=b',
    'for=a;for=a',
    'For=a;fOR="a"',
    'for="";for=a',
    'proto=p;proto=p',
    'proto=p;for=a;PROTO=q',
    'host=h;host=h',
    'by=b;by=b',
    'for=a;ext=1;by=2;EXT=3',
    '__proto__=x;__PROTO__=x',
  ])('%j breaks the grammar', (text) => {
    expect(parseElement(text, 0, text.length)).toBe('bad')
    expect(parseElement(`for=x, ${text}`, 6, 7 + text.length)).toBe('bad')
  })

  it('reads nothing beyond its end', () => {
    expect(parseElement('for=a;proto=p', 0, 5)).toStrictEqual({ ...none, for: 'a' })
    expect(parseElement('for="a";proto=p', 0, 6)).toBe('bad')
    expect(parseElement('for="a\\"', 0, 7)).toBe('bad')
    expect(parseElement('for=abc', 0, 5)).toStrictEqual({ ...none, for: 'a' })
    expect(parseElement('for=abc', 0, 4)).toBe('bad')
    expect(parseElement('for=abc', 0, 3)).toBe('bad')
    expect(parseElement('for=a', 0, 0)).toBe('empty')
  })
})

describe('parseNode', () => {
  it.each([
    ['192.0.2.1', { address: '192.0.2.1' }],
    ['192.0.2.1:80', { address: '192.0.2.1', port: 80 }],
    ['192.0.2.1:65535', { address: '192.0.2.1', port: 65535 }],
    ['192.0.2.1:0', { address: '192.0.2.1' }],
    ['192.0.2.1:_port', { address: '192.0.2.1' }],
    ['[2001:DB8:0::1]', { address: '2001:db8::1' }],
    ['[2001:db8::1]:443', { address: '2001:db8::1', port: 443 }],
    ['[2001:db8::1]:0', { address: '2001:db8::1' }],
    ['[2001:db8::1]:_x.y-z_0', { address: '2001:db8::1' }],
    ['[::]', { address: '::' }],
    ['[::ffff:192.0.2.1]:80', { address: '192.0.2.1', port: 80 }],
    ['unknown', { node: 'unknown' }],
    ['UnKnown', { node: 'unknown' }],
    ['unknown:80', { node: 'unknown', port: 80 }],
    ['unknown:_p', { node: 'unknown' }],
    ['_a', { node: '_a' }],
    ['__', { node: '__' }],
    ['_SEVKISEK.x-1_', { node: '_SEVKISEK.x-1_' }],
    ['_hidden:80', { node: '_hidden', port: 80 }],
    ['_hidden:_p', { node: '_hidden' }],
    ['_Zz09', { node: '_Zz09' }],
  ])('%s is a node', (text, node) => {
    expect(parseNode(text)).toStrictEqual(node)
  })

  it.each([
    '',
    ':80',
    '_',
    '_:80',
    '_a b',
    '_a/b',
    '_a@',
    '_a[',
    '_a`',
    '_a{',
    '_é',
    'hidden',
    'unknown_',
    'unknown ',
    'localhost',
    'shop.example',
    '2001:db8::1',
    '::1',
    '[192.0.2.1]',
    '[]',
    '[',
    ']',
    '[2001:db8::1',
    '2001:db8::1]',
    '[2001:db8::1]]',
    '[[2001:db8::1]]',
    '[2001:db8::1]x',
    '[2001:db8::1]x:80',
    '[2001:db8::1]80',
    '[2001:db8::1%eth0]',
    '[2001:db8::1]:',
    '[2001:db8::1]:65536',
    '[2001:db8::1] :80',
    'x[2001:db8::1]',
    '192.0.2',
    '192.0.2.01',
    '192.0.2.256',
    '192.0.2.1:',
    '192.0.2.1:00',
    '192.0.2.1:080',
    '192.0.2.1:65536',
    '192.0.2.1:+1',
    '192.0.2.1:80:80',
    '192.0.2.1:_',
    '192.0.2.1:port',
    '192.0.2.1]:80',
    ' 192.0.2.1',
    '192.0.2.1 ',
    '"192.0.2.1"',
  ])('%j is none', (text) => {
    expect(parseNode(text)).toBeUndefined()
  })
})

describe('formatElement', () => {
  it.each<{ element: ForwardedElement; text: string }>([
    { element: {}, text: '' },
    { element: { for: '192.0.2.1' }, text: 'for=192.0.2.1' },
    { element: { for: '2001:db8::1' }, text: 'for="[2001:db8::1]"' },
    { element: { for: 'unknown' }, text: 'for=unknown' },
    { element: { for: '_hidden.x-y' }, text: 'for=_hidden.x-y' },
    { element: { proto: 'https' }, text: 'proto=https' },
    { element: { host: 'shop.example' }, text: 'host=shop.example' },
    { element: { host: 'shop.example:8443' }, text: 'host="shop.example:8443"' },
    { element: { host: '[2001:db8::1]:81' }, text: 'host="[2001:db8::1]:81"' },
    { element: { host: '' }, text: 'host=""' },
    { element: { host: 'a"b\\c' }, text: 'host="a\\"b\\\\c"' },
    { element: { host: 'a b' }, text: 'host="a b"' },
    { element: { host: 'é' }, text: 'host="é"' },
    {
      element: { for: '192.0.2.1', proto: 'https', host: 'shop.example:8443' },
      text: 'for=192.0.2.1;proto=https;host="shop.example:8443"',
    },
    { element: { for: undefined, proto: 'ws', host: undefined }, text: 'proto=ws' },
    { element: { for: '::1', host: 'a' }, text: 'for="[::1]";host=a' },
  ])('writes $text', ({ element, text }) => {
    expect(formatElement(element)).toBe(text)
  })
})

/** What is decided of a request whose peer is 10.0.0.1. */
function decide(forwarded: string | string[], options: ProxyFixOptions, host = 'app.internal'): ConnectionInfo {
  const facts: ConnectionFacts = {
    peer: { address: '10.0.0.1', port: 40000 },
    scheme: 'http',
    host,
    headers: { Forwarded: forwarded, 'X-Forwarded-For': '6.6.6.6', 'X-Forwarded-Proto': 'wss' },
  }
  return resolveConnection(facts, options)
}

/** The three fields that Forwarded tells, each with its verdict, and what was rejected. */
function told({ client, scheme, host, verdicts, rejected }: ConnectionInfo): object {
  return {
    client,
    scheme,
    host,
    verdicts: `${verdicts.for} ${verdicts.proto} ${verdicts.host}`,
    rejected: rejected.map(({ field, value }) => `${field}: ${value}`),
  }
}

const PEER = { address: '10.0.0.1', port: 40000 }
const AS_RECEIVED = { client: PEER, scheme: 'http', host: 'app.internal' }

interface Case {
  readonly name: string
  readonly forwarded: string | string[]
  readonly expected: object
}

describe('a count of elements', () => {
  it.each<Case & { count: number }>([
    {
      name: 'one of one',
      forwarded: 'for=203.0.113.7:4711;proto=https;host=shop.example:8443',
      count: 1,
      expected: {
        client: { address: '203.0.113.7', port: 4711 },
        scheme: 'https',
        host: 'shop.example:8443',
        verdicts: 'trusted trusted trusted',
        rejected: [],
      },
    },
    {
      name: 'the second from the right, whatever stands right of it',
      forwarded: 'for=6.6.6.6, for="[2001:db8::7]";proto=WSS;host=Shop.Example, junk"x"',
      count: 2,
      expected: {
        client: { address: '2001:db8::7' },
        scheme: 'wss',
        host: 'shop.example',
        verdicts: 'trusted trusted trusted',
        rejected: [],
      },
    },
    {
      name: 'several lines as one list',
      forwarded: ['for=6.6.6.6', 'for=203.0.113.7', 'for=10.0.0.2'],
      count: 2,
      expected: { ...AS_RECEIVED, client: { address: '203.0.113.7' }, verdicts: 'trusted absent absent', rejected: [] },
    },
    {
      name: 'fewer than are counted',
      forwarded: 'for=6.6.6.6;proto=https;host=evil.example',
      count: 2,
      expected: {
        ...AS_RECEIVED,
        verdicts: 'short short short',
        rejected: ['for', 'proto', 'host'].map((field) => `${field}: for=6.6.6.6;proto=https;host=evil.example`),
      },
    },
    {
      name: 'a quote of the client that closes nothing: all left of the last is one bad element',
      forwarded: 'for=6.6.6.6, for=7.7.7.7", for=203.0.113.7',
      count: 2,
      expected: {
        ...AS_RECEIVED,
        verdicts: 'invalid invalid invalid',
        rejected: ['for', 'proto', 'host'].map((field) => `${field}: for=6.6.6.6, for=7.7.7.7"`),
      },
    },
    {
      name: 'a count that reaches past such an element',
      forwarded: 'for=6.6.6.6, for=7.7.7.7", for=203.0.113.7',
      count: 3,
      expected: {
        ...AS_RECEIVED,
        verdicts: 'short short short',
        rejected: ['for', 'proto', 'host'].map((field) => `${field}: for=6.6.6.6, for=7.7.7.7", for=203.0.113.7`),
      },
    },
    {
      name: 'an empty element that is counted',
      forwarded: 'for=6.6.6.6, , for=10.0.0.2',
      count: 2,
      expected: { ...AS_RECEIVED, verdicts: 'empty empty empty', rejected: ['for: ', 'proto: ', 'host: '] },
    },
    {
      name: 'an element of semicolons',
      forwarded: 'for=6.6.6.6, ; ;',
      count: 1,
      expected: { ...AS_RECEIVED, verdicts: 'empty empty empty' },
    },
    {
      name: 'an empty header',
      forwarded: '',
      count: 1,
      expected: { ...AS_RECEIVED, verdicts: 'empty empty empty', rejected: ['for: ', 'proto: ', 'host: '] },
    },
    {
      name: 'an empty last line',
      forwarded: ['for=6.6.6.6', ''],
      count: 1,
      expected: { ...AS_RECEIVED, verdicts: 'empty empty empty' },
    },
    {
      name: 'an empty header of two',
      forwarded: '',
      count: 2,
      expected: { ...AS_RECEIVED, verdicts: 'short short short', rejected: ['for: ', 'proto: ', 'host: '] },
    },
    {
      name: 'a parameter that is given twice',
      forwarded: 'for=203.0.113.7;proto=http;proto=https;host=shop.example',
      count: 1,
      expected: { ...AS_RECEIVED, verdicts: 'invalid invalid invalid' },
    },
    {
      name: 'an element that is no address and one that is empty, right of the counted one',
      forwarded: 'for=203.0.113.7;proto=https, , ==, for=_x',
      count: 4,
      expected: {
        client: { address: '203.0.113.7' },
        scheme: 'https',
        host: 'app.internal',
        verdicts: 'trusted trusted absent',
        rejected: [],
      },
    },
    {
      name: 'no for: proto and host are still given',
      forwarded: 'proto=https;host=shop.example',
      count: 1,
      expected: {
        client: PEER,
        scheme: 'https',
        host: 'shop.example',
        verdicts: 'absent trusted trusted',
        rejected: [],
      },
    },
    {
      name: 'a for that is none: proto and host are still given',
      forwarded: 'for=localhost;proto=https;host=shop.example',
      count: 1,
      expected: {
        client: PEER,
        scheme: 'https',
        host: 'shop.example',
        verdicts: 'invalid trusted trusted',
        rejected: ['for: localhost'],
      },
    },
    {
      name: 'bad values of each',
      forwarded: 'for=2001:db8::1;proto=javascript;host="a@evil.example"',
      count: 1,
      expected: {
        ...AS_RECEIVED,
        verdicts: 'invalid invalid invalid',
        rejected: ['for: 2001:db8::1', 'proto: javascript', 'host: a@evil.example'],
      },
    },
    {
      name: 'unknown',
      forwarded: 'for=Unknown;proto=https',
      count: 1,
      expected: {
        client: { node: 'unknown' },
        scheme: 'https',
        host: 'app.internal',
        verdicts: 'trusted trusted absent',
        rejected: [],
      },
    },
    {
      name: 'an obfuscated identifier with a port',
      forwarded: 'for="_hidden:4711"',
      count: 1,
      expected: { ...AS_RECEIVED, client: { node: '_hidden', port: 4711 }, verdicts: 'trusted absent absent' },
    },
    {
      name: 'an address with an obfuscated port',
      forwarded: 'for="[2001:db8::7]:_p"',
      count: 1,
      expected: { ...AS_RECEIVED, client: { address: '2001:db8::7' }, verdicts: 'trusted absent absent' },
    },
    {
      name: 'empty values',
      forwarded: 'for="";proto="";host=""',
      count: 1,
      expected: { ...AS_RECEIVED, verdicts: 'empty empty empty', rejected: ['for: ', 'proto: ', 'host: '] },
    },
  ])('takes $name', ({ forwarded, count, expected }) => {
    expect(told(decide(forwarded, { forwarded: count }))).toMatchObject(expected)
  })

  it('never reads the port or the prefix, and no X-Forwarded header', () => {
    const { port, host, prefix, verdicts } = decide('for=203.0.113.7;proto=https;host=shop.example', { forwarded: 1 })
    expect({ port, host, prefix, verdicts }).toStrictEqual({
      port: 443,
      host: 'shop.example',
      prefix: '',
      verdicts: {
        for: 'trusted',
        proto: 'trusted',
        host: 'trusted',
        port: 'not-configured',
        prefix: 'not-configured',
      },
    })
  })

  it('takes the port of the host, else the default of the scheme', () => {
    expect(decide('host="shop.example:8443"', { forwarded: 1 })).toMatchObject({ port: 8443, scheme: 'http' })
    expect(decide('proto=https', { forwarded: 1 }, 'app.internal:3000')).toMatchObject({ port: 3000 })
    expect(decide('proto=https;host=shop.example', { forwarded: 1 }, 'app.internal:3000')).toMatchObject({ port: 443 })
  })
})

describe('a count of elements with trustedProxies', () => {
  it.each<Case & { count: number }>([
    {
      name: 'past our own addresses',
      forwarded: 'for=203.0.113.7;proto=https;host=shop.example, for="10.0.0.3:80";proto=http, for=10.0.0.2',
      count: 3,
      expected: {
        client: { address: '203.0.113.7' },
        scheme: 'https',
        host: 'shop.example',
        verdicts: 'trusted trusted trusted',
        rejected: [],
      },
    },
    {
      name: 'to the first that is not ours',
      forwarded: 'for=6.6.6.6;proto=https, for=198.51.100.9;host=edge.example, for=10.0.0.2',
      count: 3,
      expected: {
        client: { address: '198.51.100.9' },
        scheme: 'http',
        host: 'edge.example',
        verdicts: 'trusted absent trusted',
        rejected: [],
      },
    },
    {
      name: 'to an unknown, which is the client',
      forwarded: 'for=6.6.6.6, for=unknown;proto=https, for=10.0.0.2',
      count: 3,
      expected: {
        client: { node: 'unknown' },
        scheme: 'https',
        host: 'app.internal',
        verdicts: 'trusted trusted absent',
        rejected: [],
      },
    },
    {
      name: 'to an element without a for',
      forwarded: 'for=6.6.6.6, proto=https, for=10.0.0.2',
      count: 3,
      expected: { client: PEER, scheme: 'https', host: 'app.internal', verdicts: 'absent trusted absent' },
    },
    {
      name: 'to a bad element',
      forwarded: 'for=6.6.6.6, for=a b;proto=https, for=10.0.0.2',
      count: 3,
      expected: {
        ...AS_RECEIVED,
        verdicts: 'invalid invalid invalid',
        rejected: ['for', 'proto', 'host'].map((field) => `${field}: for=a b;proto=https`),
      },
    },
    {
      name: 'to an empty element',
      forwarded: 'for=6.6.6.6,, for=10.0.0.2',
      count: 3,
      expected: { ...AS_RECEIVED, verdicts: 'empty empty empty' },
    },
    {
      name: 'to a for that is none, whose element still gives proto and host',
      forwarded: 'for=6.6.6.6, for=junk;proto=https;host=shop.example, for=10.0.0.2',
      count: 3,
      expected: {
        client: PEER,
        scheme: 'https',
        host: 'shop.example',
        verdicts: 'invalid trusted trusted',
        rejected: ['for: junk'],
      },
    },
    {
      name: 'no further when all are ours: short',
      forwarded: 'for=10.0.0.3;proto=https, for=10.0.0.2;proto=https',
      count: 3,
      expected: { ...AS_RECEIVED, verdicts: 'short short short' },
    },
    {
      name: 'the last that is counted, ours or not',
      forwarded: 'for=6.6.6.6, for=10.0.0.3;proto=https, for=10.0.0.2',
      count: 2,
      expected: {
        client: { address: '10.0.0.3' },
        scheme: 'https',
        host: 'app.internal',
        verdicts: 'trusted trusted absent',
        rejected: [],
      },
    },
    {
      name: 'not by short where the leftmost of too few is not ours',
      forwarded: 'for=203.0.113.7;proto=https, for=10.0.0.2',
      count: 3,
      expected: {
        client: { address: '203.0.113.7' },
        scheme: 'https',
        host: 'app.internal',
        verdicts: 'trusted trusted absent',
        rejected: [],
      },
    },
  ])('goes $name', ({ forwarded, count, expected }) => {
    expect(told(decide(forwarded, { forwarded: count, trustedProxies: '10.0.0.0/8' }))).toMatchObject(expected)
  })
})

describe('a walk in Forwarded', () => {
  it.each<Case & { maxHops?: number }>([
    {
      name: 'to the first that is not ours, whose proto and host are taken',
      forwarded: 'for=6.6.6.6;proto=ws, for=203.0.113.7;proto=https;host=shop.example, for=10.0.0.2;proto=http',
      expected: {
        client: { address: '203.0.113.7' },
        scheme: 'https',
        host: 'shop.example',
        verdicts: 'trusted trusted trusted',
        rejected: [],
      },
    },
    {
      name: 'to the leftmost when all are ours',
      forwarded: 'for=10.0.0.4;proto=https, for=10.0.0.3;host=b.example, for=10.0.0.2;host=c.example',
      expected: {
        client: { address: '10.0.0.4' },
        scheme: 'https',
        host: 'app.internal',
        verdicts: 'trusted trusted absent',
        rejected: [],
      },
    },
    {
      name: 'to maxHops at the latest',
      forwarded: 'for=10.0.0.4;proto=https, for=10.0.0.3;proto=wss, for=10.0.0.2;proto=ws',
      maxHops: 2,
      expected: {
        client: { address: '10.0.0.3' },
        scheme: 'wss',
        host: 'app.internal',
        verdicts: 'trusted trusted absent',
        rejected: [],
      },
    },
    {
      name: 'to an obfuscated client',
      forwarded: 'for=6.6.6.6, for=_hidden;proto=https, for=10.0.0.2',
      expected: {
        client: { node: '_hidden' },
        scheme: 'https',
        host: 'app.internal',
        verdicts: 'trusted trusted absent',
        rejected: [],
      },
    },
    {
      name: 'back to the hop that presented an element without a for',
      forwarded: 'for=6.6.6.6, proto=https;host=evil.example, for=10.0.0.2;proto=wss',
      expected: {
        client: { address: '10.0.0.2' },
        scheme: 'wss',
        host: 'app.internal',
        verdicts: 'trusted trusted absent',
        rejected: ['for: proto=https;host=evil.example'],
      },
    },
    {
      name: 'back to the hop that presented a bad element',
      forwarded: 'for=6.6.6.6, proto=https;=, for=10.0.0.3;host=b.example, for=10.0.0.2',
      expected: {
        client: { address: '10.0.0.3' },
        scheme: 'http',
        host: 'b.example',
        verdicts: 'trusted absent trusted',
        rejected: ['for: proto=https;='],
      },
    },
    {
      name: 'back to the hop that presented a quote that is left open',
      forwarded: 'for=6.6.6.6, for=7.7.7.7", for="10.0.0.2:81";proto=https',
      expected: {
        client: { address: '10.0.0.2', port: 81 },
        scheme: 'https',
        host: 'app.internal',
        verdicts: 'trusted trusted absent',
        rejected: ['for: for=6.6.6.6, for=7.7.7.7"'],
      },
    },
    {
      name: 'back to the hop that presented an empty element',
      forwarded: 'for=6.6.6.6, , for=10.0.0.2;proto=https',
      expected: {
        client: { address: '10.0.0.2' },
        scheme: 'https',
        host: 'app.internal',
        verdicts: 'trusted trusted absent',
        rejected: ['for: '],
      },
    },
    {
      name: 'back to the hop that presented a for that is none',
      forwarded: 'for=6.6.6.6, for=localhost;host=evil.example, for=10.0.0.2',
      expected: {
        ...AS_RECEIVED,
        client: { address: '10.0.0.2' },
        verdicts: 'trusted absent absent',
        rejected: ['for: localhost'],
      },
    },
    {
      name: 'nowhere past a bad first element',
      forwarded: 'for=6.6.6.6, for=10.0.0.2;proto=https;for=10.0.0.2',
      expected: {
        ...AS_RECEIVED,
        verdicts: 'invalid absent absent',
        rejected: ['for: for=10.0.0.2;proto=https;for=10.0.0.2'],
      },
    },
    {
      name: 'nowhere past an empty first element',
      forwarded: 'for=6.6.6.6;proto=https,',
      expected: { ...AS_RECEIVED, verdicts: 'empty absent absent', rejected: ['for: '] },
    },
    {
      name: 'nowhere past a first element without a for',
      forwarded: 'for=6.6.6.6, proto=https;host=shop.example',
      expected: {
        ...AS_RECEIVED,
        verdicts: 'absent absent absent',
        rejected: ['for: proto=https;host=shop.example'],
      },
    },
    {
      name: 'nowhere past a for that is none',
      forwarded: 'for=6.6.6.6, for=2001:db8::1;proto=https',
      expected: { ...AS_RECEIVED, verdicts: 'invalid absent absent', rejected: ['for: 2001:db8::1'] },
    },
    {
      name: 'nowhere past a for that is empty',
      forwarded: 'for=6.6.6.6, for="";proto=https',
      expected: { ...AS_RECEIVED, verdicts: 'empty absent absent', rejected: ['for: '] },
    },
    {
      name: 'nowhere in an empty header',
      forwarded: '',
      expected: { ...AS_RECEIVED, verdicts: 'empty absent absent', rejected: ['for: '] },
    },
  ])('goes $name', ({ forwarded, maxHops, expected }) => {
    const options: ProxyFixOptions = { forwarded: 'trusted', trustedProxies: '10.0.0.0/8', maxHops }
    expect(told(decide(forwarded, options))).toStrictEqual(expected)
  })

  it('believes our own address in IPv6 form', () => {
    const { client } = decide('for=203.0.113.7, for="[::ffff:10.0.0.2]:80"', {
      forwarded: 'trusted',
      trustedProxies: '10.0.0.0/8',
    })
    expect(client).toStrictEqual({ address: '203.0.113.7' })
  })

  it('is absent where the header was not sent', () => {
    const facts = { peer: PEER, scheme: 'http', headers: { 'x-forwarded-for': '6.6.6.6' } }
    const info = resolveConnection(facts, { forwarded: 'trusted', trustedProxies: '10.0.0.0/8' })
    expect([info.client, info.verdicts.for, info.verdicts.proto, info.verdicts.host]).toStrictEqual([
      PEER,
      'absent',
      'absent',
      'absent',
    ])
  })
})

describe('what is told of Forwarded', () => {
  const walk: ProxyFixOptions = { forwarded: 'trusted', trustedProxies: '10.0.0.0/8' }

  it.each<{ name: string; forwarded: string; options: ProxyFixOptions; rejected: RejectedValue[] }>([
    {
      name: 'too few elements',
      forwarded: 'for=6.6.6.6',
      options: { forwarded: 2 },
      rejected: (['for', 'proto', 'host'] as const).map((field) => ({
        field,
        value: 'for=6.6.6.6',
        reason: 'Forwarded has 1 value, forwarded is 2',
      })),
    },
    {
      name: 'commas in quotes, which are none',
      forwarded: 'for="a,b", for=c',
      options: { forwarded: 3 },
      rejected: (['for', 'proto', 'host'] as const).map((field) => ({
        field,
        value: 'for="a,b", for=c',
        reason: 'Forwarded has 2 values, forwarded is 3',
      })),
    },
    {
      name: 'an element that breaks the grammar',
      forwarded: 'for=a b',
      options: { forwarded: 1 },
      rejected: (['for', 'proto', 'host'] as const).map((field) => ({
        field,
        value: 'for=a b',
        reason: 'its element breaks the grammar of RFC 7239 or names a parameter twice',
      })),
    },
    {
      name: 'an empty element',
      forwarded: ';',
      options: { forwarded: 1 },
      rejected: [
        { field: 'for', value: ';', reason: 'it is empty' },
        { field: 'proto', value: ';', reason: 'it is empty' },
        { field: 'host', value: ';', reason: 'it is empty' },
      ],
    },
    {
      name: 'an element of nothing but semicolons and blanks, behind one that a client wrote',
      forwarded: 'for=6.6.6.6;proto=https;host=evil.example, ; \t;; ',
      options: { forwarded: 1 },
      rejected: [
        { field: 'for', value: '; \t;;', reason: 'it is empty' },
        { field: 'proto', value: '; \t;;', reason: 'it is empty' },
        { field: 'host', value: '; \t;;', reason: 'it is empty' },
      ],
    },
    {
      name: 'an element without anything',
      forwarded: 'for=6.6.6.6,',
      options: { forwarded: 1 },
      rejected: [
        { field: 'for', value: '', reason: 'it is empty' },
        { field: 'proto', value: '', reason: 'it is empty' },
        { field: 'host', value: '', reason: 'it is empty' },
      ],
    },
    {
      name: 'an element of semicolons that ended a walk, of which nothing else is read',
      forwarded: 'for=6.6.6.6;proto=https, ;;, for=10.0.0.2',
      options: walk,
      rejected: [{ field: 'for', value: ';;', reason: 'it is empty' }],
    },
    {
      name: 'a node that is none',
      forwarded: 'for=localhost',
      options: { forwarded: 1 },
      rejected: [
        {
          field: 'for',
          value: 'localhost',
          reason: 'it is not an IP address (IPv6 in brackets), unknown or an _identifier, with or without a port',
        },
      ],
    },
    {
      name: 'an element without a for that ended a walk',
      forwarded: 'proto=https, for=10.0.0.2',
      options: walk,
      rejected: [{ field: 'for', value: 'proto=https', reason: 'its element has no for parameter' }],
    },
    {
      name: 'an element that breaks the grammar and ended a walk',
      forwarded: '==, for=10.0.0.2',
      options: walk,
      rejected: [
        {
          field: 'for',
          value: '==',
          reason: 'its element breaks the grammar of RFC 7239 or names a parameter twice',
        },
      ],
    },
    {
      name: 'a last element that breaks the grammar, where a walk begins',
      forwarded: 'for=6.6.6.6, ==',
      options: walk,
      rejected: [
        {
          field: 'for',
          value: '==',
          reason: 'its element breaks the grammar of RFC 7239 or names a parameter twice',
        },
      ],
    },
    {
      name: 'a node that is none and ended a walk',
      forwarded: 'for=10.0.0.300, for=10.0.0.2',
      options: walk,
      rejected: [
        {
          field: 'for',
          value: '10.0.0.300',
          reason: 'it is not an IP address (IPv6 in brackets), unknown or an _identifier, with or without a port',
        },
      ],
    },
  ])('$name', ({ forwarded, options, rejected }) => {
    expect(decide(forwarded, options).rejected).toStrictEqual(rejected)
  })

  it.each<{ forwarded: string; options: ProxyFixOptions; value: string }>([
    { forwarded: 'for=6.6.6.6, \t; \t', options: { forwarded: 1 }, value: ';' },
    { forwarded: ' proto=https \t, for=10.0.0.2', options: walk, value: 'proto=https' },
    { forwarded: ' == \t, for=10.0.0.2', options: walk, value: '==' },
    { forwarded: 'for=6.6.6.6, for=a" ', options: { forwarded: 1 }, value: 'for=6.6.6.6, for=a"' },
  ])('has no blanks around it: $value', ({ forwarded, options, value }) => {
    expect(decide(forwarded, options).rejected[0]?.value).toBe(value)
  })

  it.each<{ name: string; forwarded: string; options: ProxyFixOptions; reason: string }>([
    {
      name: 'an invalid element',
      forwarded: '==',
      options: { forwarded: 1, onInvalid: 'reject' },
      reason:
        'the value of Forwarded that counts is invalid: its element breaks the grammar of RFC 7239 or names a parameter twice',
    },
    {
      name: 'a required parameter that is absent',
      forwarded: 'for=203.0.113.7',
      options: { forwarded: 1, required: ['for', 'host'] },
      reason: 'the host parameter of Forwarded is required of the proxy, and it is absent',
    },
  ])('in a refusal: $name', ({ forwarded, options, reason }) => {
    expect(decide(forwarded, options).refusal?.reason).toBe(reason)
  })

  it('is no refusal for an element that ended a walk and was not the client', () => {
    expect(decide('==, for=10.0.0.2', { ...walk, onInvalid: 'reject' }).refusal).toBeUndefined()
  })
})

describe('a long Forwarded', () => {
  it('of elements of the client is not read beyond the counted one', () => {
    const forged = 'for=6.6.6.6;proto="a\\"b,", '.repeat(50_000)
    expect(decide(`${forged}for=203.0.113.7, for=10.0.0.2`, { forwarded: 2 }).client).toStrictEqual({
      address: '203.0.113.7',
    })
  })

  it.each([
    { name: 'quotes', forwarded: '"'.repeat(100_000) },
    { name: 'backslashes and quotes', forwarded: '\\"'.repeat(50_000) },
    { name: 'backslashes before a quote', forwarded: `"${'\\'.repeat(99_999)}"` },
    { name: 'commas', forwarded: ','.repeat(100_000) },
    { name: 'semicolons', forwarded: ';'.repeat(100_000) },
    { name: 'blanks', forwarded: `for=a${' '.repeat(100_000)}b` },
    { name: 'parameters', forwarded: Array.from({ length: 10_000 }, (_, index) => `a${index}=b`).join(';') },
  ])('of $name comes to an end, and to no client', ({ forwarded }) => {
    // What is quadratic would take minutes, and the test would not end.
    for (let repeat = 0; repeat < 10; repeat++) {
      for (const options of [
        { forwarded: 1 },
        { forwarded: 'trusted', trustedProxies: '10.0.0.0/8' },
        { forwarded: 1_000_000 },
      ] as const) {
        expect(decide(forwarded, options).verdicts.for).not.toBe('trusted')
      }
    }
  })
})

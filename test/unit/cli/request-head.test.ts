/** A request from text that a person has at hand: what is read, and what is refused in one sentence. */

import { describe, expect, it } from 'vitest'
import { RequestHeadReader } from '../../../src/cli/request-head.ts'
import { UsageError } from '../../../src/cli/usage-error.ts'

/** Reads bytes in pieces of a size, as a pipe may deliver them. */
function read(bytes: string | Uint8Array, size = Infinity): [name: string, value: string][] {
  const text = Buffer.from(bytes).toString('latin1')
  const reader = new RequestHeadReader()
  for (let start = 0; start < text.length; start += size) reader.write(text.slice(start, start + size))
  return reader.end().map(({ name, value }) => [name, value])
}

const METER = '\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0'

const READ: readonly { is: string; text: string | Uint8Array; gives: [string, string][] }[] = [
  {
    is: 'a head as it comes over the wire',
    text: 'GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n',
    gives: [
      ['host', 'a.example'],
      ['x-forwarded-for', '192.0.2.1'],
    ],
  },
  { is: 'a head with plain line breaks', text: 'GET / HTTP/1.0\nHost: a.example\n\n', gives: [['host', 'a.example']] },
  { is: 'a head that ends with the text', text: 'GET / HTTP/1.1\nHost: a.example', gives: [['host', 'a.example']] },
  { is: 'a head that ends within a line break', text: 'GET / HTTP/1.1\nHost: a\r', gives: [['host', 'a']] },
  { is: 'a head without headers', text: 'GET / HTTP/1.1\r\n\r\n', gives: [] },
  { is: 'a head after empty lines', text: '\r\n\nGET / HTTP/1.1\nHost: a\n\n', gives: [['host', 'a']] },
  { is: 'a head that an editor marked as UTF-8', text: '\ufeffGET / HTTP/1.1\nHost: a\n\n', gives: [['host', 'a']] },
  { is: 'a target with a scheme', text: 'GET http://b.example/ HTTP/1.1\nHost: a\n\n', gives: [['host', 'a']] },
  { is: 'header lines alone', text: 'Host: a\nVia: 1.1 b\n', gives: Object.entries({ host: 'a', via: '1.1 b' }) },
  {
    is: 'lines of one name, in order',
    text: 'X-Forwarded-For: 1\nx-forwarded-for: 2\nHost: a\nX-FORWARDED-FOR: 3\n',
    gives: [
      ['x-forwarded-for', '1'],
      ['x-forwarded-for', '2'],
      ['host', 'a'],
      ['x-forwarded-for', '3'],
    ],
  },
  {
    is: 'no body, whatever it looks like',
    text: 'POST / HTTP/1.1\nHost: a\n\nX-Forwarded-For: 192.0.2.66\n',
    gives: [['host', 'a']],
  },
  { is: 'blanks round a value', text: 'Host: \t a b \t \n', gives: [['host', 'a b']] },
  { is: 'no blank before a value', text: 'Host:a\n', gives: [['host', 'a']] },
  { is: 'an empty value', text: 'X-Forwarded-For:\n', gives: [['x-forwarded-for', '']] },
  { is: 'a value with colons', text: 'Host: [::1]:80\n', gives: [['host', '[::1]:80']] },
  {
    is: 'names that objects have by birth',
    text: '__proto__: 1\nconstructor: 2\nget: 3\n',
    gives: [
      ['__proto__', '1'],
      ['constructor', '2'],
      ['get', '3'],
    ],
  },
  {
    is: 'bytes beyond ASCII one by one, as Node does',
    text: Buffer.from('Host: \xc3\xa4\xff\x9b\n', 'latin1'),
    gives: [['host', '\xc3\xa4\xff\x9b']],
  },
  {
    is: 'a name of signs',
    text: "!#$%&'*+-.^_`|~: a\n",
    gives: [["!#$%&'*+-.^_`|~", 'a']],
  },

  {
    is: 'what curl 7.88 prints',
    text: [
      '  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n',
      '                                 Dload  Upload   Total   Spent    Left  Speed\n',
      `${METER}*   Trying 127.0.0.1:8080...\n* Connected to a.example (127.0.0.1) port 8080 (#0)\n`,
      '> GET / HTTP/1.1\r\n> Host: a.example\r\n> Accept: */*\r\n> X-Forwarded-For: 192.0.2.1\r\n> \r\n',
      '< HTTP/1.1 200 OK\r\n< X-Forwarded-For: 192.0.2.66\r\n< \r\n{ [5 bytes data]\n',
      '\r100     5  100     5    0     0   1250      0 --:--:-- --:--:-- --:--:--  1250\n',
      '* Connection #0 to host a.example left intact\nhello',
    ].join(''),
    gives: [
      ['host', 'a.example'],
      ['accept', '*/*'],
      ['x-forwarded-for', '192.0.2.1'],
    ],
  },
  {
    is: 'what curl 8 prints of HTTP/2',
    text: [
      '* Host a.example:443 was resolved.\n* Connected to a.example (192.0.2.9) port 443\n* using HTTP/2\n',
      '* [HTTP/2] [1] OPENED stream for https://a.example/\n* [HTTP/2] [1] [:authority: a.example]\n',
      '* [HTTP/2] [1] [x-forwarded-for: 192.0.2.1]\n',
      '> GET / HTTP/2\r\n> Host: a.example\r\n> x-forwarded-for: 192.0.2.1\r\n> \r\n',
      '* Request completely sent off\n< HTTP/2 200 \r\n< \r\n',
    ].join(''),
    gives: [
      ['host', 'a.example'],
      ['x-forwarded-for', '192.0.2.1'],
    ],
  },
  {
    is: 'curl when its progress meter stands before the request',
    text: `*   Trying 192.0.2.9:80...\n${METER}${METER}> GET / HTTP/1.1\r\n> Host: a\r\n> \r\n`,
    gives: [['host', 'a']],
  },
  {
    is: 'curl after a warning of its own',
    text: 'Warning: -X is superfluous\nNote: so is -G\n* Trying\n> GET / HTTP/1.1\n> Host: a\n> \n',
    gives: [['host', 'a']],
  },
  { is: 'the lines of the request alone', text: '> GET / HTTP/1.1\n> Host: a\n>\n', gives: [['host', 'a']] },
  {
    is: 'curl without an empty line',
    text: '> GET / HTTP/1.1\n> Host: a\n< HTTP/1.1 200 OK\n> Via: b\n',
    gives: [['host', 'a']],
  },
  {
    is: 'curl with a note in the request',
    text: '> GET / HTTP/1.1\n* a note\n> Host: a\n> \n',
    gives: [['host', 'a']],
  },
  {
    is: 'the request inside a tunnel that curl asked a proxy for',
    text: [
      '* Establish HTTP proxy tunnel to a.example:443\n> CONNECT a.example:443 HTTP/1.1\r\n> Host: a.example:443\r\n> \r\n',
      '< HTTP/1.1 200 OK\r\n< \r\n* CONNECT phase completed\n> GET / HTTP/1.1\r\n> Host: a.example\r\n> \r\n',
    ].join(''),
    gives: [['host', 'a.example']],
  },
  {
    is: 'the first request of two',
    text: '> GET / HTTP/1.1\n> Host: a\n> \n< HTTP/1.1 302 Found\n< \n> GET / HTTP/1.1\n> Host: b\n> \n',
    gives: [['host', 'a']],
  },
  {
    is: 'no request that the server wrote into its response',
    text: '* Trying\n> GET / HTTP/1.1\n> Host: a\n> \n< HTTP/1.1 200 OK\n< \n> GET / HTTP/1.1\n> X-Forwarded-For: 192.0.2.66\n> \n',
    gives: [['host', 'a']],
  },
]

const REFUSED: readonly { is: string; text: string | Uint8Array; says: string }[] = [
  { is: 'nothing', text: '', says: 'Standard input is empty' },
  { is: 'empty lines', text: '\r\n\n\n', says: 'Standard input is empty' },
  { is: 'prose', text: 'hello, world\n', says: 'Standard input is no request' },
  { is: 'JSON', text: '{ "x-forwarded-for": "192.0.2.1" }\n', says: 'Standard input is no request' },
  { is: 'HTML', text: '<!doctype html>\n', says: 'Standard input is no request' },
  { is: 'HTTP/0.9', text: 'GET /\n', says: 'Standard input is no request' },
  {
    is: 'a TLS hello',
    text: Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, 10]),
    says: 'Standard input is no request',
  },
  { is: 'UTF-16', text: Buffer.from('\ufeffGET / HTTP/1.1\n', 'utf16le'), says: 'Standard input is no request' },
  { is: 'invalid UTF-8', text: Buffer.from([0xc3, 0x28, 0xff, 0x0a]), says: 'Standard input is no request' },
  { is: 'a response', text: 'HTTP/1.1 200 OK\nHost: a\n\n', says: 'Standard input is a response' },
  { is: 'a folded line', text: 'GET / HTTP/1.1\nVia: a\n b\n\n', says: 'Line 3 of standard input begins with a blank' },
  { is: 'a line folded by a tab', text: 'Via: a\n\tb\n', says: 'Line 2 of standard input begins with a blank' },
  { is: 'a blank in front of all', text: ' Host: a\n', says: 'Standard input is no request' },
  {
    is: 'a blank before the colon',
    text: 'Via: b\nHost : a\n',
    says: 'Line 2 of standard input has a blank before the colon',
  },
  { is: 'a blank in a name', text: 'Via: b\nX Host: a\n', says: 'Line 2 of standard input is no header' },
  { is: 'no colon', text: 'GET / HTTP/1.1\nHost\n', says: 'Line 2 of standard input is no header' },
  { is: 'no name', text: 'GET / HTTP/1.1\n: a\n', says: 'Line 2 of standard input is no header' },
  { is: 'a second request line', text: 'Host: a\nGET / HTTP/1.1\n', says: 'Line 2 of standard input is no header' },
  { is: 'a name beyond ASCII', text: 'Via: b\nHöst: a\n', says: 'Line 2 of standard input is no header' },
  { is: 'NUL', text: 'GET / HTTP/1.1\nHost: a\0b\n', says: 'Line 2 of standard input has a control character' },
  { is: 'NUL in the first line', text: 'Host: a\0b\n', says: 'Line 1 of standard input has a control character' },
  { is: 'an escape sequence', text: 'Host: \u001b[2Ja\n', says: 'Line 1 of standard input has a control character' },
  { is: 'a bare CR', text: 'Via: b\nHost: a\rVia: c\n', says: 'Line 2 of standard input has a control character' },
  { is: 'two CRs', text: 'Via: b\nHost: a\r\r\n', says: 'Line 2 of standard input has a control character' },
  { is: 'DEL', text: 'Via: b\nHost: \x7f\n', says: 'Line 2 of standard input has a control character' },
  { is: 'curl that could not connect', text: '* Trying 192.0.2.9:80...\n* Failed\n', says: 'has no request in it' },
  {
    is: 'curl that got no tunnel',
    text: '> CONNECT a:443 HTTP/1.1\n> Host: a\n> \n< HTTP/1.1 403 No\n',
    says: 'has no request in it',
  },
  { is: 'the response alone, of curl', text: '< HTTP/1.1 200 OK\n< Host: a\n', says: 'has no request in it' },
  { is: 'a quoted mail', text: '> hello\n> world\n', says: 'Line 1 of standard input is no request line' },
  {
    is: 'a folded line of curl',
    text: '> GET / HTTP/1.1\n> Via: a\n>  b\n> \n',
    says: 'Line 3 of standard input begins with a blank',
  },
  {
    is: 'NUL that curl sent',
    text: '> GET / HTTP/1.1\n> Via: \0\n> \n',
    says: 'Line 2 of standard input has a control character',
  },
  { is: '10 MB in one line', text: `Host: ${'a'.repeat(1e7)}\n`, says: 'more than 64 KiB' },
  { is: '10 MB without a line break', text: 'a'.repeat(1e7), says: 'more than 64 KiB' },
  { is: '10 MB of lines', text: 'Via: 1.1 b\n'.repeat(1e6), says: 'more than 64 KiB' },
  { is: '10 MB of empty lines', text: '\n'.repeat(1e7), says: 'more than 64 KiB' },
  { is: '10 MB of notes by curl', text: '* a note\n'.repeat(1e6), says: 'more than 64 KiB' },
]

describe('RequestHeadReader', () => {
  it.each(READ)('reads $is', ({ text, gives }) => {
    expect(read(text)).toStrictEqual(gives)
  })

  it.each(READ)('reads $is byte by byte', ({ text, gives }) => {
    expect(read(text, 1)).toStrictEqual(gives)
  })

  it.each(REFUSED)('refuses $is', ({ text, says }) => {
    expect(() => read(text, 2 ** 16)).toThrow(UsageError)
    expect(() => read(text, 2 ** 16)).toThrow(says)
  })

  it('repeats nothing of what it refuses', () => {
    const secrets = [
      'hunter2',
      'Authorization hunter2',
      'Via: b\nhunter2',
      'Via: b\n hunter2',
      'Via: b\nX: hunter2\0',
      '> hunter2',
    ]
    for (const text of secrets) {
      expect(() => read(text)).toThrow(/^(?!.*hunter2)./)
    }
  })

  it('is complete where the head ends, before more comes', () => {
    const reader = new RequestHeadReader()
    reader.write('GET / HTTP/1.1\r\nHost: a\r\n')
    expect(reader.isComplete).toBe(false)
    reader.write('\r\n')
    expect(reader.isComplete).toBe(true)
  })

  it('takes a body of any length', () => {
    const reader = new RequestHeadReader()
    reader.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    for (let piece = 0; piece < 100; piece++) reader.write('\0'.repeat(1e5))
    expect(reader.end()).toStrictEqual([{ name: 'host', value: 'a' }])
  })
})

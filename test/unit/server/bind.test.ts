/** Where the server may be told to listen, and what is said to every other address. */

import { describe, expect, it } from 'vitest'
import { type Bind, parseBind } from '../../../src/server/bind.ts'

describe('parseBind', () => {
  it.each<[text: string, bind: Bind]>([
    ['8000', { port: 8000 }],
    ['0', { port: 0 }],
    ['65535', { port: 65535 }],
    [':8000', { port: 8000 }],
    ['*:8000', { port: 8000 }],
    ['127.0.0.1:8000', { host: '127.0.0.1', port: 8000 }],
    ['0.0.0.0:8000', { host: '0.0.0.0', port: 8000 }],
    ['localhost:8000', { host: 'localhost', port: 8000 }],
    ['LOCALHOST:8000', { host: 'localhost', port: 8000 }],
    ['app-1.internal:80', { host: 'app-1.internal', port: 80 }],
    ['[::1]:8000', { host: '::1', port: 8000 }],
    ['[::]:8000', { host: '::', port: 8000 }],
    ['[2001:DB8:0::1]:8000', { host: '2001:db8::1', port: 8000 }],
  ])('reads %j', (text, bind) => {
    expect(parseBind(text)).toStrictEqual(bind)
  })

  it.each<{ text: unknown; says: string }>([
    { text: '', says: 'port' },
    { text: ':', says: 'port' },
    { text: 'localhost', says: 'port' },
    { text: 'localhost:', says: 'port' },
    { text: 'localhost:http', says: 'port' },
    { text: ':-1', says: 'port' },
    { text: ':1.5', says: 'port' },
    { text: ':0x50', says: 'port' },
    { text: ' 8000', says: 'port' },
    { text: ':65536', says: '65535' },
    { text: '::1', says: 'brackets' },
    { text: '::1:8000', says: 'brackets' },
    { text: 'a b:8000', says: "'a b' is no host" },
    { text: 'a/b:8000', says: "'a/b' is no host" },
    { text: '1.2.3:8000', says: "'1.2.3' is no host" },
    { text: 'http://127.0.0.1:8000', says: 'it is a URL' },
    { text: 'unix:run/app.sock', says: 'unix' },
    { text: 'fd:3', says: 'fd' },
    { text: 'tcp:8000', says: 'tcp' },
    { text: 'ssl:8443', says: 'ssl' },
    { text: 'systemd', says: 'systemd' },
    { text: 8000, says: 'no text' },
    { text: undefined, says: 'no text' },
    { text: null, says: 'no text' },
    { text: {}, says: 'no text' },
  ])('refuses $text in one sentence', ({ text, says }) => {
    // As a caller without types would.
    expect(() => parseBind(text as string)).toThrow(
      expect.objectContaining({
        code: 'ERR_PROXYFIX_OPTION',
        message: expect.stringMatching(/^Cannot listen on '[^\n]*\.$/) as string,
      }),
    )
    expect(() => parseBind(text as string)).toThrow(says)
  })
})

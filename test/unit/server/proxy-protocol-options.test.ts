/** Every mistake in the options of `proxyProtocol` is one sentence that says how to mend it, and nothing is half done. */

import { createServer } from 'node:http'
import { createServer as createNetServer } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { type ProxyProtocolOptions, proxyProtocol } from '../../../src/server/proxy-protocol/index.ts'
import { ProxyFixError } from '../../../src/trust/error.ts'

/** What is said about these options; callers without types may pass anything. */
function complaintAbout(options: unknown, server: unknown = createServer()): string {
  try {
    proxyProtocol(server as ReturnType<typeof createServer>, options as ProxyProtocolOptions)
  } catch (error) {
    expect(error).toBeInstanceOf(ProxyFixError)
    expect((error as ProxyFixError).code).toBe('ERR_PROXYFIX_OPTION')
    return (error as Error).message
  }
  throw new Error('Nothing was said.')
}

const FROM = '10.0.0.5'

describe('the options of proxyProtocol', () => {
  it.each<[string, unknown, string]>([
    ['none', undefined, "The options of proxyProtocol must be an object like { from: '10.0.0.5' }, not undefined."],
    ['a list', [FROM], "The options of proxyProtocol must be an object like { from: '10.0.0.5' }, not an array."],
    [
      'no senders',
      {},
      "proxyProtocol needs the option from, as whoever may send a header chooses its client: give the addresses of your proxies, as in { from: '10.0.0.5' }.",
    ],
    [
      'an empty list of senders',
      { from: [] },
      'The option from has an empty entry: give the address of each proxy that sends the header.',
    ],
    [
      'an empty sender',
      { from: '10.0.0.5, ' },
      'The option from has an empty entry: give the address of each proxy that sends the header.',
    ],
    [
      'everybody',
      { from: ['*'] },
      "The option from cannot take '*', or anybody could choose its address: list the addresses of your proxies.",
    ],
    [
      'a host name',
      { from: 'localhost' },
      "The option from cannot take 'localhost': host names are not looked up; write 'loopback'.",
    ],
    ['a misspelt name', { from: 'privat' }, "The option from cannot take 'privat': did you mean 'private'?"],
    [
      'a bad block',
      { from: '10.0.0.0/33' },
      "The option from cannot take '10.0.0.0/33': after the slash comes the number of bits that count, 0 to 32.",
    ],
    [
      'a number for senders',
      { from: 10 },
      "The option from must be addresses, blocks or names like '10.0.0.0/8, loopback', a list of them, or a function (address) => boolean, not 10.",
    ],
    ['a number among senders', { from: [10] }, 'The option from takes addresses as text, not 10.'],
    [
      'an async function',
      { from: async () => true },
      'The option from cannot be an async function: who is trusted must be known at once.',
    ],
    ['a misspelt option', { from: FROM, time_out: 1 }, 'There is no option time_out: did you mean timeout?'],
    ['the name of another option', { trustedProxies: FROM }, 'There is no option trustedProxies: did you mean from?'],
    [
      'an unknown option',
      { from: FROM, strictness: 1 },
      'There is no option strictness: proxyProtocol knows from, others, tls, timeout, maxLength, onRefused.',
    ],
    ['other others', { from: FROM, others: 'accept' }, "The option others must be 'refuse' or 'serve', not 'accept'."],
    [
      'something else than TLS',
      { from: FROM, tls: { cert: '' } },
      'The option tls must be true or false, not an object.',
    ],
    [
      'no timeout',
      { from: FROM, timeout: 0 },
      'The option timeout must be milliseconds, 1 to 2147483647, not 0: a connection must not wait for its header for ever.',
    ],
    [
      'an endless timeout',
      { from: FROM, timeout: Infinity },
      'The option timeout must be milliseconds, 1 to 2147483647, not Infinity: a connection must not wait for its header for ever.',
    ],
    [
      'a timeout in words',
      { from: FROM, timeout: '5s' },
      "The option timeout must be milliseconds, 1 to 2147483647, not '5s': a connection must not wait for its header for ever.",
    ],
    [
      'a length that no header has',
      { from: FROM, maxLength: 15 },
      'The option maxLength must be a number of bytes, 16 to 65551, not 15.',
    ],
    [
      'a length that no header can have',
      { from: FROM, maxLength: 65552 },
      'The option maxLength must be a number of bytes, 16 to 65551, not 65552.',
    ],
    [
      'something to tell that cannot be told',
      { from: FROM, onRefused: true },
      'The option onRefused must be a function that takes the refusal, not true.',
    ],
  ])('%s', (_, options, message) => {
    expect(complaintAbout(options)).toBe(message)
  })

  it.each<[string, unknown]>([
    ['nothing', null],
    ['a listener', () => undefined],
    ['an object with the methods of a server', { listen: () => undefined, on: () => undefined, emit: () => true }],
  ])('are for a server, not for %s', (_, server) => {
    expect(complaintAbout({ from: FROM }, server)).toMatch(
      /^proxyProtocol cannot receive connections for .+: give a server of node:net, tls, http, https or http2, as in proxyProtocol\(http\.createServer\(app\), \{ from: '10\.0\.0\.5' \}\)\.$/,
    )
  })

  it('are given once for a server', () => {
    const server = proxyProtocol(createServer(), { from: FROM })
    expect(complaintAbout({ from: FROM }, server)).toBe(
      'This server receives the PROXY protocol already: call proxyProtocol once for it.',
    )
  })

  it('leave a server alone that they are wrong for', () => {
    const server = createServer()
    expect(complaintAbout({ from: '' }, server)).not.toBe('')
    expect(Object.hasOwn(server, 'emit') || Object.hasOwn(server, 'close')).toBe(false)
    expect(proxyProtocol(server, { from: FROM })).toBe(server)
  })

  it.each<ProxyProtocolOptions>([
    { from: FROM },
    { from: ['10.0.0.0/8', 'loopback, unix'] },
    { from: () => true, others: 'serve', tls: true, timeout: 1, maxLength: 65551, onRefused: () => undefined },
    { from: FROM, others: undefined, tls: undefined, timeout: undefined, maxLength: undefined, onRefused: undefined },
  ])('take %j', (options) => {
    const server = createNetServer()
    expect(proxyProtocol(server, options)).toBe(server)
  })

  it('warn of senders that are legal and dangerous', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    proxyProtocol(createServer(), { from: '0.0.0.0/0' })
    expect(warn.mock.calls).toStrictEqual([
      [
        "from has '0.0.0.0/0', a block far wider than anybody's proxies: whoever is in it can choose its own address; list your proxies only.",
        { type: 'ProxyFixWarning', code: 'PROXYFIX_PROXY_PROTOCOL_FROM' },
      ],
    ])
    warn.mockRestore()
  })
})

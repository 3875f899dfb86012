/**
 * What does an operator hear about decisions that are not plain? Each kind of trouble once. **The attack** is a client
 * that floods the log, or draws in it.
 */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  type ConnectionFacts,
  ProxyFixError,
  type ProxyFixOptions,
  resolveConnection,
  warnOnce,
  type WarnOnceOptions,
} from '../../../src/index.ts'

const FACTS: ConnectionFacts = { peer: { address: '10.0.0.1' }, scheme: 'http', host: 'app', headers: {} }

interface Told {
  readonly facts?: Partial<ConnectionFacts> | undefined
  readonly options?: ProxyFixOptions
}

/** An `onDecision` and what it logs. */
function listener(options: WarnOnceOptions = {}): { tell: (told: Told) => void; logged: string[] } {
  const logged: string[] = []
  const onDecision = warnOnce({ log: (message) => logged.push(message), ...options })
  const tell = ({ facts, options: trust }: Told): void =>
    onDecision({ info: resolveConnection({ ...FACTS, ...facts }, trust) })
  return { tell, logged }
}

const sent = (name: string, value: string): Partial<ConnectionFacts> => ({ headers: { [name]: value } })

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

describe('what is told', () => {
  it.each<Told & { name: string; sentences: string[] }>([
    { name: 'a plain decision', facts: sent('X-Forwarded-For', '203.0.113.7'), sentences: [] },
    {
      name: 'a stranger',
      facts: { peer: { address: '::ffff:198.51.100.9' }, ...sent('X-Forwarded-For', 'junk') },
      options: { trustedProxies: '10.0.0.0/8' },
      sentences: [
        'proxyfix: 198.51.100.9 is not trusted and sent forwarding headers, which were not believed: if it is a proxy of yours, add it to trustedProxies or let it send the secret.',
      ],
    },
    {
      name: 'a stranger without an address',
      facts: { peer: {}, ...sent('X-Forwarded-For', '203.0.113.7') },
      options: { trustedProxies: '10.0.0.0/8' },
      sentences: [
        'proxyfix: a peer without an address is not trusted and sent forwarding headers, which were not believed: if it is a proxy of yours, add it to trustedProxies or let it send the secret.',
      ],
    },
    {
      name: 'too few values, without the text',
      facts: sent('X-Forwarded-For', '6.6.6.6'),
      options: { xFor: 2 },
      sentences: [
        'proxyfix: the client address was not taken from a header, as X-Forwarded-For has 1 value, xFor is 2: is there one proxy less than you think, or does one of them not add to it, or replace it?',
      ],
    },
    {
      name: 'an empty value',
      facts: sent('X-Forwarded-Proto', ''),
      sentences: [
        'proxyfix: the scheme was not taken from a header, as it is empty: does a proxy set the header from a variable that is empty?',
      ],
    },
    {
      name: 'an invalid host',
      facts: sent('X-Forwarded-Host', 'a@b'),
      options: { xHost: 1 },
      sentences: [
        'proxyfix: the host was not taken from a header, as it is not a host name or address with or without a port ("a@b"): does a proxy pass on what the client sent?',
      ],
    },
    {
      name: 'an invalid port and an invalid prefix',
      facts: { headers: { 'X-Forwarded-Port': '0', 'X-Forwarded-Prefix': '//x' } },
      options: { xPort: 1, xPrefix: 1 },
      sentences: [
        'proxyfix: the port was not taken from a header, as it is not a port from 1 to 65535 ("0"): does a proxy pass on what the client sent?',
        'proxyfix: the prefix was not taken from a header, as it is not a path of plain segments after one slash ("//x"): does a proxy pass on what the client sent?',
      ],
    },
    {
      name: 'what ended a walk',
      facts: sent('X-Forwarded-For', 'unknown, 10.0.0.2'),
      options: { xFor: 'trusted', trustedProxies: '10.0.0.0/8' },
      sentences: [
        'proxyfix: the client address was not taken from a header, as it is not an IP address with or without a port ("unknown"): the hop that presented it was taken for the client.',
      ],
    },
    {
      name: 'a refusal',
      options: { allowedHosts: ['shop.example'] },
      sentences: ['proxyfix: a request was refused with 400, as this host is not served here.'],
    },
    {
      name: 'a required header that is absent',
      options: { required: ['proto'] },
      sentences: [
        'proxyfix: a request was refused with 400, as X-Forwarded-Proto is required of the proxy, and it is absent.',
      ],
    },
    {
      name: 'a refusal and its reason',
      facts: sent('X-Forwarded-For', 'x'),
      options: { onInvalid: 'reject' },
      sentences: [
        'proxyfix: the client address was not taken from a header, as it is not an IP address with or without a port ("x"): does a proxy pass on what the client sent?',
        'proxyfix: a request was refused with 400, as the value of X-Forwarded-For that counts is invalid: it is not an IP address with or without a port.',
      ],
    },
  ])('of $name', ({ facts = {}, options = {}, sentences }) => {
    const { tell, logged } = listener()
    tell({ facts, options })
    expect(logged).toStrictEqual(sentences)
    // Once.
    tell({ facts, options })
    tell({ facts, options })
    expect(logged).toStrictEqual(sentences)
  })

  it('says of a stranger that sent no forwarding header only what it was refused for', () => {
    const { tell, logged } = listener()
    tell({
      facts: { peer: { address: '198.51.100.9' } },
      options: { trustedProxies: '10.0.0.0/8', allowedHosts: ['shop.example'] },
    })
    expect(logged).toStrictEqual(['proxyfix: a request was refused with 400, as this host is not served here.'])
  })

  it('goes to console.warn unless a log is given', () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    warnOnce()({ info: resolveConnection(FACTS, { allowedHosts: [] }) })
    expect(warn.mock.calls).toStrictEqual([
      ['proxyfix: a request was refused with 400, as this host is not served here.'],
    ])
  })
})

describe('how often', () => {
  it('is once for each kind, and each has its own turn', () => {
    const { tell, logged } = listener()
    tell({ facts: sent('X-Forwarded-For', 'a') })
    tell({ facts: sent('X-Forwarded-For', 'b') })
    tell({ facts: sent('X-Forwarded-For', '') })
    tell({ facts: sent('X-Forwarded-Proto', 'a') })
    tell({ facts: sent('X-Forwarded-For', 'c'), options: { xFor: 2 } })
    vi.advanceTimersByTime(365 * 24 * 3600 * 1000)
    tell({ facts: sent('X-Forwarded-For', 'd') })
    expect(logged.map((sentence) => sentence.slice(0, 64))).toStrictEqual([
      'proxyfix: the client address was not taken from a header, as it ',
      'proxyfix: the client address was not taken from a header, as it ',
      'proxyfix: the scheme was not taken from a header, as it is not h',
      'proxyfix: the client address was not taken from a header, as X-F',
    ])
  })

  it('is not shared by two of them', () => {
    const [one, other] = [listener(), listener()]
    one.tell({ facts: sent('X-Forwarded-For', 'a') })
    other.tell({ facts: sent('X-Forwarded-For', 'a') })
    expect([one.logged.length, other.logged.length]).toStrictEqual([1, 1])
  })

  it('may be again after everyMs, with how often it was since', () => {
    const { tell, logged } = listener({ everyMs: 1000 })
    const trouble: Told = { options: { allowedHosts: [] } }
    const first = 'proxyfix: a request was refused with 400, as this host is not served here.'
    tell(trouble)
    vi.advanceTimersByTime(999)
    tell(trouble)
    tell(trouble)
    expect(logged).toStrictEqual([first])
    vi.advanceTimersByTime(1)
    tell(trouble)
    expect(logged).toStrictEqual([first, `${first} (and 2 more since this was told last)`])
    // From then on, and with none between.
    vi.advanceTimersByTime(999)
    expect(logged).toHaveLength(2)
    vi.advanceTimersByTime(1)
    tell(trouble)
    expect(logged.slice(2)).toStrictEqual([first])
    vi.advanceTimersByTime(500)
    tell(trouble)
    vi.advanceTimersByTime(5000)
    tell(trouble)
    expect(logged.slice(3)).toStrictEqual([`${first} (and 1 more since this was told last)`])
  })

  it('is always with everyMs: 0', () => {
    const { tell, logged } = listener({ everyMs: 0 })
    for (let count = 0; count < 3; count++) tell({ options: { allowedHosts: [] } })
    expect(logged).toHaveLength(3)
    expect(new Set(logged).size).toBe(1)
  })

  it('is bounded, however a client varies what it sends', () => {
    const { tell, logged } = listener()
    const names = ['X-Forwarded-For', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'X-Forwarded-Port', 'X-Forwarded-Prefix']
    const values = (index: number): string[] => [
      `junk${index}`,
      `${index}.`,
      '',
      Array(index % 7)
        .fill('x')
        .join(','),
      `unknown${index}, 10.0.0.2`,
      `"${index}`,
      `x${index}, 10.0.0.2, `,
    ]
    const all: ProxyFixOptions[] = [
      { xFor: 5, xProto: 4, xHost: 3, xPort: 2, xPrefix: 1 },
      { xFor: 1, xHost: 1, xPort: 1, xPrefix: 1, onInvalid: 'reject' },
      { xFor: 'trusted', xHost: 'trusted', xPort: 1, xPrefix: 1, trustedProxies: '10.0.0.0/8', allowedHosts: ['a'] },
      { xFor: 3, trustedProxies: '10.0.0.0/8', required: ['for', 'proto'] },
    ]
    for (let index = 0; index < 300; index++) {
      for (const options of all) {
        for (const value of values(index)) {
          const headers = Object.fromEntries(names.map((name) => [name, value]))
          tell({ facts: { headers, host: `h${index}` }, options })
          tell({ facts: { headers, peer: { address: `198.51.100.${index % 256}` }, host: value }, options })
        }
      }
    }
    // One for strangers; for each of five fields short, empty, invalid, ended a walk, refused.
    expect(logged.length).toBeLessThanOrEqual(1 + 5 * 5)
  })
})

describe('a text of the client', () => {
  it.each([
    { text: '\x1b[2Jx', shown: '"\\u001b[2Jx"' },
    { text: 'a\r\nproxyfix: all is well', shown: '"a\\r\\nproxyfix: all is well"' },
    { text: 'a"b\\c', shown: '"a\\"b\\\\c"' },
    { text: '\x7f\x9b31m', shown: '"\\u{7f}\\u{9b}31m"' },
    { text: '\u202egnp', shown: '"\\u{202e}gnp"' },
    { text: 'é\u{1f600}', shown: '"\\u{e9}\\u{1f600}"' },
    { text: '\0\t', shown: '"\\u0000\\t"' },
  ])('draws nothing: $shown', ({ text, shown }) => {
    const { tell, logged } = listener()
    // Not first or last in the value, where blanks are dropped.
    tell({ facts: sent('X-Forwarded-For', `${text}!`) })
    expect(logged).toHaveLength(1)
    expect(logged[0]).toMatch(/^[\x20-\x7e]*$/)
    expect(logged[0]).toContain(`(${shown.slice(0, -1)}!"): does`)
  })

  it('draws nothing from the peer, the host, or a list that is short', () => {
    const { tell, logged } = listener()
    const nasty = 'x\x1b[2J\r\n\u202e'
    tell({
      facts: { peer: { address: nasty }, host: nasty, headers: { 'X-Forwarded-For': nasty } },
      options: { allowedHosts: [] },
    })
    tell({ facts: { headers: { 'X-Forwarded-For': nasty } }, options: { xFor: 3 } })
    expect(logged).toHaveLength(3)
    expect(logged.join('')).toMatch(/^[\x20-\x7e]*$/)
  })

  it('is at most as long as what was rejected', () => {
    const { tell, logged } = listener()
    tell({ facts: sent('X-Forwarded-For', 'x'.repeat(100_000)) })
    expect(logged[0]?.length).toBeLessThan(500)
  })
})

describe('options', () => {
  it.each<{ options: object; message: string }>([
    {
      options: { everyMs: -1 },
      message: 'The option everyMs of warnOnce must be a number of milliseconds, 0 or more, not -1.',
    },
    {
      options: { everyMs: Number.NaN },
      message: 'The option everyMs of warnOnce must be a number of milliseconds, 0 or more, not NaN.',
    },
    {
      options: { everyMs: '1000' },
      message: "The option everyMs of warnOnce must be a number of milliseconds, 0 or more, not '1000'.",
    },
    {
      options: { everyMs: null },
      message: 'The option everyMs of warnOnce must be a number of milliseconds, 0 or more, not null.',
    },
    { options: { log: 'stderr' }, message: "The option log of warnOnce must be a function, not 'stderr'." },
    { options: { log: null }, message: 'The option log of warnOnce must be a function, not null.' },
    { options: { log: console }, message: 'The option log of warnOnce must be a function, not an object.' },
    ...[
      { every: 1000 },
      { everyMS: 1000 },
      { log: console.warn, logger: console.warn },
      { info: {} },
      'warn',
      1000,
      () => {},
    ].map((options) => ({
      options: options as object,
      message: 'warnOnce takes options, log and everyMs, and gives the function to use: write onDecision: warnOnce().',
    })),
  ])('are checked: $options', ({ options, message }) => {
    expect(() => warnOnce(options as WarnOnceOptions)).toThrow(
      expect.objectContaining({ code: 'ERR_PROXYFIX_OPTION', message }) as Error,
    )
    expect(() => warnOnce(options as WarnOnceOptions)).toThrow(ProxyFixError)
  })

  it.each([{}, { everyMs: undefined, log: undefined }, { everyMs: 0 }, { everyMs: 0.5 }, { everyMs: Infinity }])(
    'may be %o',
    (options) => {
      expect(typeof warnOnce(options)).toBe('function')
    },
  )

  it('are told where warnOnce itself is given for onDecision, not what it makes', () => {
    // What is thrown there is reported as a process warning: see the tests of proxyFix.
    const onDecision = warnOnce as NonNullable<ProxyFixOptions['onDecision']>
    expect(() => onDecision({ info: resolveConnection(FACTS, { allowedHosts: [] }) })).toThrow(
      'write onDecision: warnOnce().',
    )
  })
})

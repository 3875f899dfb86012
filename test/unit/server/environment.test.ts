/** What do variables make of the options, and which mistakes in them are told? */

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { inVariables, optionsFrom } from '../../../src/server/environment.ts'

const ZERO = { xFor: 0, xProto: 0, xHost: 0, xPort: 0, xPrefix: 0 }

describe('the options that variables set', () => {
  it.each([
    ['none without a variable', {}, undefined],
    ['none of other variables', { PATH: '/bin', PROXY_FIX_X_FOR: '1', HTTP_PROXY: 'x' }, undefined],
    ['a count, and 0 for what is not set', { PROXYFIX_X_FOR: '2' }, { ...ZERO, xFor: 2 }],
    [
      'all counts',
      {
        PROXYFIX_X_FOR: '1',
        PROXYFIX_X_PROTO: '2',
        PROXYFIX_X_HOST: '3',
        PROXYFIX_X_PORT: '4',
        PROXYFIX_X_PREFIX: '0',
      },
      { xFor: 1, xProto: 2, xHost: 3, xPort: 4, xPrefix: 0 },
    ],
    [
      'a walk',
      { PROXYFIX_X_FOR: 'trusted', PROXYFIX_TRUSTED_PROXIES: '10.0.0.0/8, loopback', PROXYFIX_MAX_HOPS: '5' },
      { ...ZERO, xFor: 'trusted', trustedProxies: '10.0.0.0/8, loopback', maxHops: 5 },
    ],
    ['Forwarded, without counts beside it', { PROXYFIX_FORWARDED: '1' }, { forwarded: 1 }],
    ['Forwarded not used', { PROXYFIX_FORWARDED: '0', PROXYFIX_X_FOR: '1' }, { ...ZERO, xFor: 1, forwarded: 0 }],
    [
      'a header of one address, with a secret of two values',
      { PROXYFIX_CLIENT_IP_HEADER: 'CF-Connecting-IP', PROXYFIX_SECRET: 'X-Origin-Verify: one, two' },
      {
        xProto: 0,
        xHost: 0,
        xPort: 0,
        xPrefix: 0,
        clientIpHeader: 'CF-Connecting-IP',
        secret: { header: 'X-Origin-Verify', values: ['one', 'two'] },
      },
    ],
    [
      'what happens then',
      {
        PROXYFIX_X_FOR: '1',
        PROXYFIX_REQUIRED: 'for,proto',
        PROXYFIX_HEADERS: 'remove',
        PROXYFIX_ON_INVALID: 'reject',
        PROXYFIX_ALLOWED_HOSTS: ' example.com, .example.org ',
        PROXYFIX_PREFIX_MODE: 'strip',
        PROXYFIX_SOCKET: 'false',
      },
      {
        ...ZERO,
        xFor: 1,
        required: ['for', 'proto'],
        headers: 'remove',
        onInvalid: 'reject',
        allowedHosts: ['example.com', '.example.org'],
        prefixMode: 'strip',
        socket: false,
      },
    ],
    ['allowed hosts alone', { PROXYFIX_ALLOWED_HOSTS: 'example.com' }, { ...ZERO, allowedHosts: ['example.com'] }],
  ])('%s', (_, environment, options) => {
    expect(optionsFrom(environment)).toEqual(options)
  })

  it.each(['true', '1'])('a switch is on by %s', (text) => {
    expect(optionsFrom({ PROXYFIX_SOCKET: text })).toEqual({ ...ZERO, socket: true })
  })
})

describe('a mistake', () => {
  it.each([
    ['text for a count', { PROXYFIX_X_FOR: 'yes' }, /PROXYFIX_X_FOR must be a whole number .* not 'yes'/],
    ['a negative count', { PROXYFIX_X_FOR: '-1' }, /PROXYFIX_X_FOR must be a whole number .* not '-1'/],
    ['a fraction', { PROXYFIX_X_PROTO: '1.5' }, /PROXYFIX_X_PROTO must be a whole number .* not '1.5'/],
    ['a number too long to be meant', { PROXYFIX_X_FOR: '1000000000' }, /PROXYFIX_X_FOR must be a whole number/],
    ['text for the most hops', { PROXYFIX_MAX_HOPS: 'trusted' }, /PROXYFIX_MAX_HOPS must be a whole number/],
    ['text for a switch', { PROXYFIX_SOCKET: 'no' }, /PROXYFIX_SOCKET must be true or false, not 'no'/],
    ['an empty variable', { PROXYFIX_TRUSTED_PROXIES: '' }, /PROXYFIX_TRUSTED_PROXIES is empty/],
    ['a blank variable', { PROXYFIX_X_FOR: ' ' }, /PROXYFIX_X_FOR is empty/],
    ['trusted proxies alone', { PROXYFIX_TRUSTED_PROXIES: 'loopback' }, /trustedProxies does nothing alone/],
    ['a secret alone', { PROXYFIX_SECRET: 'X-Verify: abc' }, /secret does nothing alone/],
    ['what to do with what is invalid, alone', { PROXYFIX_ON_INVALID: 'reject' }, /onInvalid does nothing alone/],
    ['the most hops alone', { PROXYFIX_MAX_HOPS: '3', PROXYFIX_HEADERS: 'remove' }, /maxHops does nothing alone/],
  ])('is told: %s', (_, environment, message) => {
    expect(() => optionsFrom(environment)).toThrow(message)
  })

  it.each([['swordfish'], [': swordfish'], ['X Verify: swordfish']])('in a secret is told without it: %s', (text) => {
    const attempt = (): unknown => optionsFrom({ PROXYFIX_X_FOR: '1', PROXYFIX_SECRET: text })
    expect(attempt).toThrow("The variable PROXYFIX_SECRET must be a header like 'X-Origin-Verify: a-long-random-text'.")
  })

  it('carries the code of options', () => {
    expect(() => optionsFrom({ PROXYFIX_X_FOR: 'x' })).toThrow(expect.objectContaining({ code: 'ERR_PROXYFIX_OPTION' }))
  })
})

describe('a variable that is not known', () => {
  it.each([
    ['PROXYFIX_XFOR', 'PROXYFIX_X_FOR'],
    ['PROXYFIXX_FOR', 'PROXYFIX_X_FOR'],
    ['proxyfix_x_for', 'PROXYFIX_X_FOR'],
    ['ProxyFix_X_Host', 'PROXYFIX_X_HOST'],
    ['PROXYFIX_X_FORWARDED_FOR', 'PROXYFIX_X_FOR'],
    ['PROXYFIX_FORWARDED_PROTO', 'PROXYFIX_X_PROTO'],
    ['PROXYFIX_XFF', 'PROXYFIX_X_FOR'],
    ['PROXYFIX_PREFIX', 'PROXYFIX_X_PREFIX'],
    ['PROXYFIX_TRUSTED_PROXY', 'PROXYFIX_TRUSTED_PROXIES'],
    ['PROXYFIX_TRUSTEDPROXIES', 'PROXYFIX_TRUSTED_PROXIES'],
    ['PROXYFIX_TRUTSED_PROXIES', 'PROXYFIX_TRUSTED_PROXIES'],
    ['PROXYFIX_ALLOWED_HOST', 'PROXYFIX_ALLOWED_HOSTS'],
    ['PROXYFIX_SECRETS', 'PROXYFIX_SECRET'],
    ['PROXYFIX_REQUIRE', 'PROXYFIX_REQUIRED'],
    ['PROXYFIX_ONINVALID', 'PROXYFIX_ON_INVALID'],
    ['PROXYFIX_HEADER', 'PROXYFIX_HEADERS'],
    // As it is typed, or called elsewhere.
    ['PROXYFIX_TRUST', 'PROXYFIX_TRUSTED_PROXIES'],
    ['PROXYFIX_TRUSTED', 'PROXYFIX_TRUSTED_PROXIES'],
    ['PROXYFIX_TRUST_PROXY', 'PROXYFIX_TRUSTED_PROXIES'],
    ['PROXYFIX_PROXIES', 'PROXYFIX_TRUSTED_PROXIES'],
    ['PROXYFIX_FORWARDED_ALLOW_IPS', 'PROXYFIX_TRUSTED_PROXIES'],
    ['PROXYFIX_HOPS', 'PROXYFIX_X_FOR'],
    ['PROXYFIX_NUM_PROXIES', 'PROXYFIX_X_FOR'],
    ['PROXYFIX_CLIENT_IP', 'PROXYFIX_CLIENT_IP_HEADER'],
  ])('%s is a misspelt %s', (name, meant) => {
    expect(() => optionsFrom({ PROXYFIX_X_PROTO: '1', [name]: '1' })).toThrow(
      `There is no variable ${name}: did you mean ${meant}?`,
    )
  })

  it.each([['PROXYFIX_SECRET_HEADER'], ['PROXYFIX_ALLOWED'], ['PROXYFIX_REJECT_INVALID'], ['PROXYFIX_X_SCHEME']])(
    '%s speaks of trust, and is refused',
    (name) => {
      expect(() => optionsFrom({ [name]: '1' })).toThrow(`There is no variable ${name}: `)
    },
  )

  it.each([
    // The preload's, for workers, and the tests'.
    ['PROXYFIX_TOLD_BY'],
    ['PROXYFIX_FUZZ_RUNS'],
    // A server's.
    ['PROXYFIX_BIND'],
    ['PROXYFIX_HOST'],
    ['PROXYFIX_WORKERS'],
    ['PROXYFIX_MAX_REQUESTS'],
    ['PROXYFIX_TIMEOUT'],
    ['PROXYFIX_ACCESS_LOG'],
    ['PROXYFIX_LOG_LEVEL'],
    ['PROXYFIX_PROXY_PROTOCOL'],
    ['PROXYFIX_CERT'],
    ['PROXYFIX_KEY'],
    ['PROXYFIX_RELOAD'],
    ['PROXYFIX_CONFIG'],
    ['PROXYFIX_PID'],
    // What Kubernetes makes for a service called proxyfix.
    ['PROXYFIX_PORT'],
    ['PROXYFIX_SERVICE_HOST'],
    ['PROXYFIX_SERVICE_PORT'],
    ['PROXYFIX_SERVICE_PORT_HTTP'],
    ['PROXYFIX_PORT_80_TCP'],
    ['PROXYFIX_PORT_80_TCP_PROTO'],
    ['PROXYFIX_PORT_80_TCP_PORT'],
    ['PROXYFIX_PORT_80_TCP_ADDR'],
    // Names that objects have by birth.
    ['PROXYFIX_constructor'],
    ['PROXYFIX_toString'],
    ['PROXYFIX_'],
    ['PROXYFIX'],
  ])('%s is none of its business', (name) => {
    expect(optionsFrom({ [name]: 'tcp://10.0.0.1:80' })).toBeUndefined()
  })
})

describe('what is said about options', () => {
  it.each([
    ['The option xHost must be 1.', 'The variable PROXYFIX_X_HOST must be 1.'],
    [
      'The options forwarded and xFor exclude each other.',
      'The variables PROXYFIX_FORWARDED and PROXYFIX_X_FOR exclude each other.',
    ],
    ["headers is 'keep', so the app finds the headers.", "PROXYFIX_HEADERS is 'keep', so the app finds the headers."],
    ['The value of the option secret is empty.', 'The value of the variable PROXYFIX_SECRET is empty.'],
    ['The option headers must be text.', 'The variable PROXYFIX_HEADERS must be text.'],
    ['proxyFix believes X-Forwarded-For.', 'proxyFix believes X-Forwarded-For.'],
  ])('%s', (about, said) => {
    expect(inVariables(about)).toBe(said)
  })
})

describe('docs/auto.md', () => {
  const page = readFileSync(new URL('../../../docs/auto.md', import.meta.url), 'utf8')
  const rows = [...page.matchAll(/^\| `(PROXYFIX_\w+)` +\| `([^`]+)`.*\| `(\w+)` +\|$/gm)].map(
    ([, name = '', example = '', option = '']) => [name, example, option] as const,
  )

  it('has every variable', () => {
    expect(rows).toHaveLength(16)
  })

  it.each(rows)('shows what %s may be: %s sets %s', (name, example, option) => {
    const beside = name === 'PROXYFIX_FORWARDED' || name === 'PROXYFIX_X_FOR' ? {} : { PROXYFIX_X_PROTO: '1' }
    expect(Object.keys(optionsFrom({ ...beside, [name]: example }) ?? {})).toContain(option)
  })
})

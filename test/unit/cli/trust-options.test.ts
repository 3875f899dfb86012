/** What was typed, as options of proxyFix: what was not typed is not believed. */

import { describe, expect, it } from 'vitest'
import { readArguments } from '../../../src/cli/arguments.ts'
import { TRUST_SHAPES, trustOptions } from '../../../src/cli/trust-options.ts'
import { UsageError } from '../../../src/cli/usage-error.ts'
import type { ProxyFixOptions } from '../../../src/trust/options.ts'
import { trustPolicy } from '../../../src/trust/policy.ts'

function typed(args: readonly string[]): ProxyFixOptions | undefined {
  return trustOptions(readArguments(args, new Map(TRUST_SHAPES)))
}

const NONE = { xFor: 0, xProto: 0, xHost: 0, xPort: 0, xPrefix: 0 }

describe('trustOptions', () => {
  it('are none when none is typed', () => {
    expect(typed([])).toBe(undefined)
  })

  it.each<{ args: string[]; gives: ProxyFixOptions }>([
    { args: ['--x-for', '1'], gives: { ...NONE, xFor: 1 } },
    { args: ['--x-for', '0'], gives: NONE },
    { args: ['--x-proto=2', '--x-host=3'], gives: { ...NONE, xProto: 2, xHost: 3 } },
    { args: ['--x-port=4', '--x-prefix=5'], gives: { ...NONE, xPort: 4, xPrefix: 5 } },
    {
      args: ['--x-for', 'trusted', '--trust', 'private, loopback', '--trust', '192.0.2.1', '--max-hops', '5'],
      gives: { ...NONE, xFor: 'trusted', trustedProxies: ['private, loopback', '192.0.2.1'], maxHops: 5 },
    },
    { args: ['--forwarded', '2'], gives: { forwarded: 2 } },
    { args: ['--forwarded', '0'], gives: { ...NONE, forwarded: 0 } },
    {
      args: ['--forwarded', 'trusted', '--trust', 'private'],
      gives: { forwarded: 'trusted', trustedProxies: ['private'] },
    },
    {
      args: ['--client-ip-header', 'X-Real-IP', '--trust', 'unix'],
      gives: { xProto: 0, xHost: 0, xPort: 0, xPrefix: 0, clientIpHeader: 'X-Real-IP', trustedProxies: ['unix'] },
    },
    {
      args: ['--x-for=1', '--x-host=1', '--required', 'for, host', '--required=for'],
      gives: { ...NONE, xFor: 1, xHost: 1, required: ['for', 'host', 'for'] },
    },
    { args: ['--x-for=1', '--on-invalid', 'reject'], gives: { ...NONE, xFor: 1, onInvalid: 'reject' } },
    { args: ['--x-for=1', '--on-invalid', 'ignore'], gives: { ...NONE, xFor: 1, onInvalid: 'ignore' } },
    { args: ['--allowed-host', 'a', '--allowed-host', '.b'], gives: { ...NONE, allowedHosts: ['a', '.b'] } },
    {
      args: ['--x-for=1', '--secret', 'X-Verify: old:value,new'],
      gives: { ...NONE, xFor: 1, secret: { header: 'X-Verify', values: ['old:value', 'new'] } },
    },
  ])('$args', ({ args, gives }) => {
    const options = typed(args)
    expect(options).toEqual(gives) // what is undefined is not given
    expect(() => trustPolicy(options)).not.toThrow()
  })

  it.each([
    { args: ['--x-for', 'one'], says: "--x-for takes a whole number of proxies, 0 or more, or 'trusted', not 'one'" },
    { args: ['--x-for', '1e3'], says: "not '1e3'" },
    {
      args: ['--x-prefix', '-1'],
      says: "--x-prefix takes a whole number of proxies, 0 or more, or 'trusted', not '-1'",
    },
    {
      args: ['--forwarded', 'Trusted'],
      says: "--forwarded takes a whole number of proxies, 0 or more, or 'trusted', not 'Trusted'",
    },
    { args: ['--x-for=1', '--max-hops', '0'], says: "--max-hops takes a whole number of values, 1 or more, not '0'" },
    { args: ['--x-for=1', '--max-hops', 'trusted'], says: "not 'trusted'" },
    {
      args: ['--x-for=1', '--required', 'for,client'],
      says: "--required takes for, proto, host, port, prefix, not 'client'",
    },
    { args: ['--x-for=1', '--required', ''], says: "not ''" },
    { args: ['--x-for=1', '--on-invalid', 'Reject'], says: "--on-invalid takes ignore or reject, not 'Reject'" },
    { args: ['--on-invalid', 'reject'], says: '--on-invalid does nothing alone' },
    { args: ['--trust', 'private'], says: '--trust does nothing alone' },
    { args: ['--secret', 'X-Verify: hunter2'], says: '--secret does nothing alone' },
    { args: ['--max-hops', '3', '--allowed-host', 'a'], says: '--max-hops does nothing alone' },
    { args: ['--x-for=1', '--secret', 'hunter2'], says: "must be a header like 'X-Origin-Verify: " },
    { args: ['--x-for=1', '--secret', 'X Verify: hunter2'], says: "must be a header like 'X-Origin-Verify: " },
    { args: ['--x-for=1', '--secret', 'X-Verify: '], says: 'put both in quotes' },
    { args: ['--x-for=1', '--secret', ': hunter2'], says: "must be a header like 'X-Origin-Verify: " },
  ])('refuses $args', ({ args, says }) => {
    expect(() => typed(args)).toThrow(UsageError)
    expect(() => typed(args)).toThrow(says)
    expect(() => typed(args)).toThrow(/^(?!.*hunter2)./)
  })
})

it.each([
  { names: ['trusted-proxies', 'trusted-proxy', 'trust-proxy', 'trustProxy', 'trust_proxies'], meant: 'trust' },
  { names: ['trustedProxies', 'trusted', 'TRUST'], meant: 'trust' },
  { names: ['x-forwarded-for', 'xForwardedFor', 'x_forwarded_for', 'forwarded-for', 'xFor'], meant: 'x-for' },
  { names: ['x-forwarded-proto', 'xForwardedProto'], meant: 'x-proto' },
  { names: ['x-forwarded-host', 'xForwardedHost'], meant: 'x-host' },
  { names: ['x-forwarded-port', 'xForwardedPort'], meant: 'x-port' },
  { names: ['x-forwarded-prefix', 'xForwardedPrefix'], meant: 'x-prefix' },
  { names: ['ip-header', 'clientIpHeader'], meant: 'client-ip-header' },
  { names: ['allowedHosts', 'allowed-hosts'], meant: 'allowed-host' },
  { names: ['onInvalid', 'on_invalid'], meant: 'on-invalid' },
])('$names are taken for slips of --$meant', ({ names, meant }) => {
  for (const name of names) {
    expect(() => typed([`--${name}`, '1'])).toThrow(`There is no option --${name}: did you mean --${meant}?`)
  }
})

it.each(TRUST_SHAPES.map(([name]) => ({ name })))('--$name needs a value of its own', ({ name }) => {
  for (const next of ['-H', '--json', '--']) {
    expect(() => typed([`--${name}`, next, '1'])).toThrow(`The option --${name} needs a value.`)
  }
})

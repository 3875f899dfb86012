/** What the library has to say of a command line, each sentence that it can: with flags in it, as nobody typed a name of the API. */

import { describe, expect, it } from 'vitest'
import { readArguments } from '../../../src/cli/arguments.ts'
import { inFlags } from '../../../src/cli/flags.ts'
import { TRUST_SHAPES, trustOptions } from '../../../src/cli/trust-options.ts'
import { trustPolicy } from '../../../src/trust/policy.ts'

function policyOf(args: readonly string[]): ReturnType<typeof trustPolicy> {
  return trustPolicy(trustOptions(readArguments(args, new Map(TRUST_SHAPES))))
}

/** What is refused, as the person reads it. */
function refusal(args: readonly string[]): string {
  try {
    policyOf(args)
  } catch (error) {
    return inFlags((error as Error).message) // as only errors are thrown
  }
  throw new Error('It was not refused.')
}

describe('an error', () => {
  const TRUST = '--x-for=1 --trust'

  it.each([
    { typed: '--x-for=trusted', says: "The option --x-for is 'trusted', so --trust must say who is: " },
    { typed: '--x-proto=trusted', says: "The option --x-proto is 'trusted', so --trust must say who is: " },
    { typed: '--forwarded=trusted', says: "The option --forwarded is 'trusted', so --trust must say who is: " },
    {
      typed: '--x-for=1 --x-host=trusted --trust private',
      says: "The option --x-host is 'trusted', so --x-for must be 'trusted' too: its walk finds the hop whose value --x-host takes.",
    },
    {
      typed: '--client-ip-header=X-Real-IP --x-port=trusted --trust private',
      says: "The option --x-port is 'trusted', which takes the value of the hop that a walk finds, and beside --client-ip-header there is no walk: ",
    },
    { typed: '--forwarded=1 --x-for=0', says: 'The options --forwarded and --x-for exclude each other: ' },
    { typed: '--forwarded=1 --x-proto=1', says: 'The options --forwarded and --x-proto exclude each other: ' },
    { typed: '--forwarded=1 --x-host=1', says: 'The options --forwarded and --x-host exclude each other: ' },
    { typed: '--forwarded=1 --x-port=1', says: 'The options --forwarded and --x-port exclude each other: ' },
    { typed: '--forwarded=1 --x-prefix=1', says: 'The options --forwarded and --x-prefix exclude each other: ' },
    {
      typed: '--forwarded=1 --client-ip-header=X-Real-IP --trust private',
      says: 'The options --forwarded and --client-ip-header exclude each other: ',
    },

    {
      typed: '--client-ip-header=X-Real-IP',
      says: 'The option --client-ip-header believes whoever sends X-Real-IP, so it needs --trust or --secret: say who may.',
    },
    {
      typed: '--client-ip-header=X-Real-IP --x-for=1 --trust private',
      says: 'The options --client-ip-header and --x-for exclude each other: ',
    },
    {
      typed: '--client-ip-header=A:b --trust private',
      says: "The option --client-ip-header must be the name of a header, like 'X-Real-IP', not 'A:b'.",
    },
    {
      typed: '--client-ip-header=x-forwarded-for --trust private',
      says: 'The option --client-ip-header cannot be X-Forwarded-For, which is a list: use --x-for.',
    },
    {
      typed: '--client-ip-header=Forwarded --trust private',
      says: 'The option --client-ip-header cannot be Forwarded, which has a meaning of its own.',
    },
    {
      typed: '--client-ip-header=X-Verify --secret X-Verify:hunter2',
      says: 'The options --client-ip-header and --secret both name X-Verify: they are two headers.',
    },

    { typed: `${TRUST}=`, says: "The option --trust cannot take '', an empty entry: leave it out." },
    { typed: `${TRUST} 10.0.0.1,`, says: "The option --trust cannot take '', an empty entry: leave it out." },
    {
      typed: `${TRUST} *`,
      says: "The option --trust cannot take '*': leave --trust out to believe whoever connects, ",
    },
    { typed: `${TRUST} localhost`, says: "The option --trust cannot take 'localhost': host names are not looked up; " },
    { typed: `${TRUST} fe80::1%eth0`, says: "The option --trust cannot take 'fe80::1%eth0': zones are not compared; " },
    { typed: `${TRUST} privat`, says: "The option --trust cannot take 'privat': did you mean 'private'?" },
    { typed: `${TRUST} a.example`, says: "The option --trust cannot take 'a.example': write an IP address or block " },
    { typed: `${TRUST} 10.0.0.0/33`, says: "The option --trust cannot take '10.0.0.0/33': after the slash comes " },
    {
      typed: `${TRUST} ::ffff:10.0.0.0/8`,
      says: "The option --trust cannot take '::ffff:10.0.0.0/8': an IPv4 address ",
    },
    { typed: `${TRUST} trustedProxies:secret`, says: "The option --trust cannot take 'trustedProxies:secret': " },

    {
      typed: '--x-for=1 --required for,host',
      says: "The option --required names 'host', but --x-host is 0: set --x-host or drop 'host'.",
    },
    {
      typed: '--forwarded=1 --required port',
      says: "The option --required names 'port', which the Forwarded header does not tell: drop 'port'.",
    },
    { typed: '--allowed-host *.a.example', says: "The option --allowed-host cannot take '*.a.example': write a host " },
    { typed: '--allowed-host=', says: "The option --allowed-host cannot take '': write a host name " },
    {
      typed: '--allowed-host a.example:80',
      says: "The option --allowed-host cannot take 'a.example:80': ports are not compared, so write 'a.example'.",
    },

    {
      typed: '--x-for=1 --secret x-forwarded-for:hunter2',
      says: 'The header of the option --secret cannot be X-Forwarded-For, which has a meaning of its own.',
    },
    {
      typed: '--x-for=1 --secret X-Verify:ä',
      says: 'The value of the option --secret has a character that it cannot ',
    },
    { typed: '--x-for=1 --secret X-Verify:a,ä', says: 'The value 2 of the option --secret has a character that it ' },
    {
      typed: '--x-for=1 --secret X-Verify:a,',
      says: 'The value 2 of the option --secret is empty: is an environment ',
    },
  ])('names flags for $typed', ({ typed, says }) => {
    const message = refusal(typed.split(' '))
    expect(message.slice(0, says.length)).toBe(says)
    expect(withoutQuotes(message)).not.toMatch(API_NAME)
    expect(message).not.toMatch(/\[\]|hunter2/)
  })
})

describe('a warning', () => {
  it.each([
    { typed: '--x-for=1', says: ['list them in --trust.'] },
    { typed: '--forwarded=1 --secret X-Verify:hunter2', says: ['A value of --secret has fewer than '] },
    { typed: '--x-for=1 --trust 10.0.0.1/8', says: ["--trust has '10.0.0.1/8', which has bits set "] },
    { typed: '--x-for=1 --trust 0.0.0.0/0', says: ["--trust has '0.0.0.0/0', a block far wider "] },
    { typed: '--x-for=1 --x-proto=2 --trust private', says: ['--x-proto is 2 while --x-for is 1: '] },
    { typed: '--x-host=2 --trust private', says: ['--x-host is 2 while --x-for is 0: '] },
    {
      typed: '--client-ip-header=X-Real-IP --x-port=2 --x-prefix=3 --trust private',
      says: ['--x-port is 2 beside --client-ip-header: ', '--x-prefix is 3 beside --client-ip-header: '],
    },
    { typed: '--x-for=0 --trust private', says: ['--trust and --secret do nothing alone'] },
    { typed: '--x-for=1 --max-hops=3 --trust private', says: ["--max-hops ends a 'trusted' walk, "] },
  ])('names flags for $typed', ({ typed, says }) => {
    const warnings = policyOf(typed.split(' ')).warnings.map(inFlags)
    expect(warnings).toEqual(says.map((part) => expect.stringContaining(part) as string))
    for (const warning of warnings) expect(withoutQuotes(warning)).not.toMatch(API_NAME)
  })
})

describe('a message', () => {
  it.each([
    { is: 'the header Forwarded', message: 'The header Forwarded tells it.' },
    { is: 'forwarding headers', message: 'The app finds forwarded and X-Forwarded headers as they were sent.' },
    { is: 'words that are options, too', message: 'A secret header is required of a forwarded request.' },
    { is: 'longer names', message: 'There are xForm, maxHopsUsed and _xFor.' },
    { is: 'what was typed', message: "Cannot listen on 'xFor': 'it's xFor' is no host." },
  ])('keeps $is', ({ message }) => {
    expect(inFlags(message)).toBe(message)
  })

  it('has the names after an apostrophe changed all the same', () => {
    expect(inFlags("The client's xFor is a proxy's xHost.")).toBe("The client's --x-for is a proxy's --x-host.")
  })
})

/** Every name that options have in code, where it is no part of a flag or of a header's name. */
const API_NAME =
  /(?<![-\w])(?:xFor|xProto|xHost|xPort|xPrefix|trustedProxies|clientIpHeader|maxHops|allowedHosts|onInvalid|prefixMode|onDecision|forwarded|required|secret)\b/

/** Without what was typed, and the names in it. */
function withoutQuotes(message: string): string {
  return message.replaceAll(/'[^']*'/g, '')
}

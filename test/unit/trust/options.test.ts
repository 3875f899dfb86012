/** Every mistake in the options is told at construction, naming the option, the value and the remedy. */

import { describe, expect, it } from 'vitest'
import { ProxyFixError } from '../../../src/trust/error.ts'
import type { ProxyFixOptions } from '../../../src/trust/options.ts'
import { trustPolicy } from '../../../src/trust/policy.ts'
import { resolveConnection } from '../../../src/trust/resolve.ts'

/** What is thrown for options that a caller without types may pass. */
function mistake(options: unknown): ProxyFixError {
  try {
    trustPolicy(options as ProxyFixOptions)
  } catch (error) {
    if (error instanceof ProxyFixError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('a bad option', () => {
  it.each<{ options: unknown; says: string[] }>([
    // Counts: a negative or fractional one has no meaning, a text is a slip in a configuration file.
    { options: { xFor: -1 }, says: ['xFor', '-1', '0 or more'] },
    { options: { xProto: 1.5 }, says: ['xProto', '1.5', 'whole number'] },
    { options: { xHost: Number.NaN }, says: ['xHost', 'NaN', 'whole number'] },
    { options: { xPort: Number.POSITIVE_INFINITY }, says: ['xPort', 'Infinity', 'whole number'] },
    { options: { xPrefix: 2 ** 53 }, says: ['xPrefix', '9007199254740992', 'whole number'] },
    { options: { xFor: '1' }, says: ['xFor', "'1'", 'a number', 'Number('] },
    { options: { xProto: '010' }, says: ['xProto', "'010'", 'Number('] },
    { options: { xHost: '' }, says: ['xHost', "''", 'whole number'] },
    { options: { xHost: '1 ' }, says: ['xHost', "'1 '", 'whole number'] },
    { options: { xHost: '-1' }, says: ['xHost', "'-1'", 'whole number'] },
    { options: { xFor: true }, says: ['xFor', 'true', 'whole number'] },
    { options: { xFor: null }, says: ['xFor', 'null', 'whole number'] },
    { options: { xFor: 1n }, says: ['xFor', '1n', 'whole number'] },
    { options: { xFor: [1] }, says: ['xFor', 'an array', 'whole number'] },
    { options: { xFor: {} }, says: ['xFor', 'an object', 'whole number'] },
    { options: { xFor: () => 1 }, says: ['xFor', 'a function', 'whole number'] },
    { options: { xFor: Symbol('one') }, says: ['xFor', 'Symbol(one)', 'whole number'] },
    // Choices.
    { options: { headers: 'drop' }, says: ['headers', "'drop'", "'normalize'", "'keep'", "'remove'"] },
    { options: { headers: true }, says: ['headers', 'true', "'normalize'"] },
    { options: { onInvalid: 'throw' }, says: ['onInvalid', "'throw'", "'ignore'", "'reject'"] },
    { options: { prefixMode: 'MOUNT' }, says: ['prefixMode', "'MOUNT'", "'mount'", "'strip'", "'url'", "'none'"] },
    { options: { socket: 'no' }, says: ['socket', "'no'", 'true or false'] },
    { options: { socket: null }, says: ['socket', 'null', 'true or false'] },
    { options: { onDecision: 'log' }, says: ['onDecision', "'log'", 'function'] },
    { options: { onDecision: null }, says: ['onDecision', 'null', 'function'] },
    // Required: a field that is not configured could never be trusted.
    { options: { required: 'for' }, says: ['required', "'for'", 'list'] },
    { options: { required: ['address'] }, says: ['required', "'address'", "'for'", "'prefix'"] },
    { options: { required: [undefined] }, says: ['required', 'undefined', "'for'"] },
    { options: { required: ['host'] }, says: ['required', "'host'", 'xHost is 0', 'set xHost'] },
    { options: { xFor: 0, required: ['proto', 'for'] }, says: ['required', "'for'", 'xFor is 0', 'set xFor'] },
    // Options as a whole.
    { options: null, says: ['null', 'object'] },
    { options: 1, says: ['1', 'object'] },
    { options: 'xFor=1', says: ["'xFor=1'", 'object'] },
    { options: [1], says: ['an array', 'object'] },
    { options: () => 1, says: ['a function', 'object'] },
    { options: new Map([['xFor', 1]]), says: ['an object', 'object'] },
    { options: new Set(['xFor']), says: ['an object', 'object'] },
    // Inherited ones would be read as well.
    { options: Object.create({ trustedProxies: '*' }), says: ['trustedProxies', "'*'"] },
    { options: Object.create({ xFor: -1 }), says: ['xFor', '-1', 'whole number'] },
    // Hosts.
    { options: { allowedHosts: 'shop.example' }, says: ['allowedHosts', "'shop.example'", 'list'] },
    { options: { allowedHosts: [1] }, says: ['allowedHosts', '1'] },
    { options: { allowedHosts: ['*'] }, says: ['allowedHosts', "'*'", "'.example.com'"] },
    { options: { allowedHosts: ['*.shop.example'] }, says: ['allowedHosts', "'*.shop.example'", "'.example.com'"] },
    {
      options: { allowedHosts: ['shop.example:443'] },
      says: ['allowedHosts', "'shop.example:443'", "write 'shop.example'"],
    },
    { options: { allowedHosts: ['.shop.example:443'] }, says: ['allowedHosts', "'.shop.example:443'"] },
    { options: { allowedHosts: ['[::1]:443'] }, says: ['allowedHosts', "'[::1]:443'", "'[::1]'"] },
    { options: { allowedHosts: ['::1'] }, says: ['allowedHosts', "'::1'", 'brackets'] },
    { options: { allowedHosts: ['good.example', '2001:db8::1'] }, says: ['allowedHosts', "'2001:db8::1'", 'brackets'] },
    { options: { allowedHosts: [''] }, says: ['allowedHosts', "''"] },
    { options: { allowedHosts: ['.'] }, says: ['allowedHosts', "'.'"] },
    { options: { allowedHosts: ['..shop.example'] }, says: ['allowedHosts', "'..shop.example'"] },
    { options: { allowedHosts: ['shop..example'] }, says: ['allowedHosts', "'shop..example'"] },
    { options: { allowedHosts: ['https://shop.example'] }, says: ['allowedHosts', "'https://shop.example'"] },
    { options: { allowedHosts: ['shop.example/'] }, says: ['allowedHosts', "'shop.example/'"] },
    { options: { allowedHosts: ['user@shop.example'] }, says: ['allowedHosts', "'user@shop.example'"] },
    { options: { allowedHosts: ['shop .example'] }, says: ['allowedHosts', "'shop .example'"] },
    { options: { allowedHosts: ['shop%2eexample'] }, says: ['allowedHosts', "'shop%2eexample'"] },
    { options: { allowedHosts: ['bücher.example:443'] }, says: ['allowedHosts', "'bücher.example:443'"] },
    { options: { allowedHosts: ['xn--a.bücher'] }, says: ['allowedHosts', "'xn--a.bücher'"] },
    { options: { allowedHosts: ['bücher.*'] }, says: ['allowedHosts', "'bücher.*'"] },
    // Contract rule 4: such a name is no host, and which address a URL parser makes of it is a surprise.
    { options: { allowedHosts: ['010.0.0.1'] }, says: ['allowedHosts', "'010.0.0.1'"] },
    { options: { allowedHosts: ['192.0.2'] }, says: ['allowedHosts', "'192.0.2'"] },
    { options: { allowedHosts: ['0x7f.1'] }, says: ['allowedHosts', "'0x7f.1'"] },
    { options: { allowedHosts: ['2130706433'] }, says: ['allowedHosts', "'2130706433'"] },
  ])('is told in one sentence: $options', ({ options, says }) => {
    const { code, message } = mistake(options)
    expect(code).toBe('ERR_PROXYFIX_OPTION')
    for (const words of says) expect(message).toContain(words)
    expect(message).toMatch(/^[A-Z].*\.$/)
    expect(message.split(/\.\s/)).toHaveLength(1)
  })

  it.each<{ name: string; meant: string }>([
    { name: 'x_for', meant: 'xFor' },
    { name: 'xfor', meant: 'xFor' },
    { name: 'XFOR', meant: 'xFor' },
    { name: 'x-proto', meant: 'xProto' },
    { name: 'x_prefix', meant: 'xPrefix' },
    { name: 'xHosts', meant: 'xHost' },
    { name: 'header', meant: 'headers' },
    { name: 'allowedhosts', meant: 'allowedHosts' },
    { name: 'allowed_hosts', meant: 'allowedHosts' },
    { name: 'allowHosts', meant: 'allowedHosts' },
    { name: 'oninvalid', meant: 'onInvalid' },
    { name: 'prefix_mode', meant: 'prefixMode' },
    { name: 'require', meant: 'required' },
    { name: 'xProtocol', meant: 'xProto' },
    { name: 'trustproxy', meant: 'trustedProxies' },
    { name: 'trust proxy', meant: 'trustedProxies' },
    { name: 'trusted_proxies', meant: 'trustedProxies' },
    { name: 'trustedProxy', meant: 'trustedProxies' },
    { name: 'Forwarded', meant: 'forwarded' },
    { name: 'forward', meant: 'forwarded' },
    { name: 'secrets', meant: 'secret' },
    { name: 'clientIPHeader', meant: 'clientIpHeader' },
    { name: 'client_ip_header', meant: 'clientIpHeader' },
    { name: 'clientHeader', meant: 'clientIpHeader' },
    { name: 'maxhops', meant: 'maxHops' },
    { name: 'max-hop', meant: 'maxHops' },
    { name: 'ondecisions', meant: 'onDecision' },
    { name: 'for', meant: 'xFor' },
    // What they are called elsewhere, where another name is nearer or as near.
    { name: 'xForwardedFor', meant: 'xFor' },
    { name: 'x-forwarded-for', meant: 'xFor' },
    { name: 'X_FORWARDED_FOR', meant: 'xFor' },
    { name: 'xForwardedProto', meant: 'xProto' },
    { name: 'X-Forwarded-Host', meant: 'xHost' },
    { name: 'xForwardedPort', meant: 'xPort' },
    { name: 'x_forwarded_prefix', meant: 'xPrefix' },
    { name: 'trust', meant: 'trustedProxies' },
    { name: 'trustProxy', meant: 'trustedProxies' },
    { name: 'trust_proxy', meant: 'trustedProxies' },
    { name: 'proxies', meant: 'trustedProxies' },
    { name: 'ipHeader', meant: 'clientIpHeader' },
    { name: 'ip-header', meant: 'clientIpHeader' },
    { name: 'hosts', meant: 'allowedHosts' },
  ])('that is not known is told with the one that is meant: $name', ({ name, meant }) => {
    const { code, message } = mistake({ [name]: 1 })
    expect(code).toBe('ERR_PROXYFIX_OPTION')
    expect(message).toBe(`There is no option ${name}: did you mean ${meant}?`)
  })

  // Short names are near many: one slip is a misspelling, two are another name.
  it.each(['numberOfProxies', 'constructor', 'toString', 'valueOf', 'x', 'ip', 'p', 'fo', 'xyz', 'url', 'on'])(
    'that is near none is told with all that there are: %s',
    (name) => {
      const { code, message } = mistake({ [name]: true })
      expect(code).toBe('ERR_PROXYFIX_OPTION')
      for (const word of [
        `There is no option ${name}: proxyFix knows xFor,`,
        'xProto',
        'xHost',
        'xPort',
        'xPrefix',
        'allowedHosts',
        'required',
      ]) {
        expect(message).toContain(word)
      }
    },
  )

  it("that is not known is told at once, nothing of the request's facts needed", () => {
    expect(() => resolveConnection(undefined as never, { trust: '10.0.0.0/8' } as ProxyFixOptions)).toThrow(
      'There is no option trust: did you mean trustedProxies?',
    )
  })

  it('that is not known is told even when its value is undefined', () => {
    expect(mistake({ x_for: undefined }).message).toContain('xFor')
  })

  it.each<{ name: string; options: object; message: string }>([
    {
      name: 'a count below 0',
      options: { xFor: -1 },
      message:
        "The option xFor must be a whole number of proxies, 0 or more, or 'trusted', not -1: give 0 to ignore the header, 1 for one proxy.",
    },
    {
      name: 'another word than trusted',
      options: { xHost: 'Trusted', trustedProxies: 'private' },
      message:
        "The option xHost must be a whole number of proxies, 0 or more, or 'trusted', not 'Trusted': give 0 to ignore the header, 1 for one proxy.",
    },
    {
      name: 'a fractional count of elements',
      options: { forwarded: 0.5 },
      message:
        "The option forwarded must be a whole number of proxies, 0 or more, or 'trusted', not 0.5: give 0 to ignore the header, 1 for one proxy.",
    },
    {
      name: 'a walk with nobody to trust',
      options: { xFor: 'trusted' },
      message: "The option xFor is 'trusted', so trustedProxies must say who is: list the addresses of your proxies.",
    },
    {
      name: 'a walk for another field with nobody to trust',
      options: { xProto: 'trusted' },
      message: "The option xProto is 'trusted', so trustedProxies must say who is: list the addresses of your proxies.",
    },
    {
      name: 'a walk in Forwarded with nobody to trust',
      options: { forwarded: 'trusted' },
      message:
        "The option forwarded is 'trusted', so trustedProxies must say who is: list the addresses of your proxies.",
    },
    {
      name: 'a walk with a secret and nobody to trust',
      options: { xFor: 'trusted', secret: { header: 'x-origin', values: 'abcdefghijklmnop' } },
      message: "The option xFor is 'trusted', so trustedProxies must say who is: list the addresses of your proxies.",
    },
    {
      name: 'xProto in step with a count',
      options: { xProto: 'trusted', trustedProxies: 'private' },
      message:
        "The option xProto is 'trusted', so xFor must be 'trusted' too: its walk finds the hop whose value xProto takes.",
    },
    {
      name: 'xHost in step with no xFor',
      options: { xFor: 0, xHost: 'trusted', trustedProxies: 'private' },
      message:
        "The option xHost is 'trusted', so xFor must be 'trusted' too: its walk finds the hop whose value xHost takes.",
    },
    {
      name: 'xPort in step with a count',
      options: { xFor: 2, xPort: 'trusted', trustedProxies: [] },
      message:
        "The option xPort is 'trusted', so xFor must be 'trusted' too: its walk finds the hop whose value xPort takes.",
    },
    {
      name: 'xPrefix in step with a header of its own',
      options: { clientIpHeader: 'X-Real-IP', xPrefix: 'trusted', trustedProxies: 'unix' },
      message:
        "The option xPrefix is 'trusted', which takes the value of the hop that a walk finds, and beside clientIpHeader there is no walk: give a number.",
    },
    ...(['xProto', 'xHost', 'xPort'] as const).map((name) => ({
      name: `${name} in step with a header of its own`,
      options: {
        clientIpHeader: 'X-Real-IP',
        [name]: 'trusted',
        trustedProxies: 'private',
        secret: { header: 'x-origin', values: 'abcdefghijklmnop' },
      },
      message: `The option ${name} is 'trusted', which takes the value of the hop that a walk finds, and beside clientIpHeader there is no walk: give a number.`,
    })),
    ...(['xFor', 'xProto', 'xHost', 'xPort', 'xPrefix', 'forwarded'] as const).flatMap((name) =>
      ['0', '1', '02'].map((count) => ({
        name: `${name} as the text ${count}, as of an environment variable`,
        options: { [name]: count },
        message: `The option ${name} must be a number, not the text '${count}': write Number(…) around it.`,
      })),
    ),
    {
      name: 'trustedProxies that end with a comma',
      options: { trustedProxies: '10.0.0.1,' },
      message: "The option trustedProxies cannot take '', an empty entry: leave it out, or give [] to trust nobody.",
    },
    {
      name: 'trustedProxies of an environment variable that is empty',
      options: { trustedProxies: [''] },
      message: "The option trustedProxies cannot take '', an empty entry: leave it out, or give [] to trust nobody.",
    },
    {
      name: 'an async predicate, whose promise is never true',
      options: { trustedProxies: async () => true },
      message: 'The option trustedProxies cannot be an async function: who is trusted must be known at once.',
    },
    ...(['xFor', 'xProto', 'xHost', 'xPort', 'xPrefix'] as const).flatMap((name) =>
      [0, 1].map((count) => ({
        name: `${name}: ${count} beside forwarded`,
        options: { forwarded: 1, [name]: count },
        message: `The options forwarded and ${name} exclude each other: with both, a client could choose which header is believed; keep the one that your proxies set.`,
      })),
    ),
    {
      name: 'clientIpHeader beside forwarded',
      options: { forwarded: 'trusted', clientIpHeader: 'X-Real-IP', trustedProxies: 'private' },
      message:
        'The options forwarded and clientIpHeader exclude each other: with both, a client could choose which header is believed; keep the one that your proxies set.',
    },
    {
      name: 'clientIpHeader beside xFor',
      options: { clientIpHeader: 'X-Real-IP', xFor: 1, trustedProxies: 'private' },
      message:
        'The options clientIpHeader and xFor exclude each other: the client is read from one header; leave out the one that your proxies do not set.',
    },
    {
      name: 'clientIpHeader beside xFor: 0',
      options: { clientIpHeader: 'X-Real-IP', xFor: 0, trustedProxies: 'private' },
      message:
        'The options clientIpHeader and xFor exclude each other: the client is read from one header; leave out the one that your proxies do not set.',
    },
    {
      name: 'clientIpHeader from whoever connects',
      options: { clientIpHeader: 'CF-Connecting-IP' },
      message:
        'The option clientIpHeader believes whoever sends CF-Connecting-IP, so it needs trustedProxies or secret: say who may.',
    },
    {
      name: 'clientIpHeader that is the secret',
      options: { clientIpHeader: 'X-Origin', secret: { header: 'x-origin', values: 'abcdefghijklmnop' } },
      message: 'The options clientIpHeader and secret both name X-Origin: they are two headers.',
    },
    {
      name: 'clientIpHeader that is a list',
      options: { clientIpHeader: 'x-forwarded-for', trustedProxies: 'private' },
      message: 'The option clientIpHeader cannot be X-Forwarded-For, which is a list: use xFor.',
    },
    ...[
      'X-Forwarded-Proto',
      'X-Forwarded-Host',
      'X-Forwarded-Port',
      'X-Forwarded-Prefix',
      'Forwarded',
      'Host',
      'Cookie',
      'Set-Cookie',
      'Connection',
    ].flatMap((taken) => [
      {
        name: `clientIpHeader that is ${taken}`,
        options: { clientIpHeader: taken.toUpperCase(), trustedProxies: 'private' },
        message: `The option clientIpHeader cannot be ${taken}, which has a meaning of its own.`,
      },
      {
        name: `a secret in ${taken}`,
        options: { secret: { header: taken.toLowerCase(), values: 'abcdefghijklmnop' } },
        message: `The option secret.header cannot be ${taken}, which has a meaning of its own.`,
      },
    ]),
    {
      name: 'a secret in X-Forwarded-For',
      options: { secret: { header: 'X-Forwarded-For', values: 'abcdefghijklmnop' } },
      message: 'The option secret.header cannot be X-Forwarded-For, which has a meaning of its own.',
    },
    ...['', ' ', 'X Real IP', 'X-Real-IP:', ':authority', 'X-Réal-IP', 'x-real-ip, x-client-ip'].map((header) => ({
      name: `a header named ${JSON.stringify(header)}`,
      options: { clientIpHeader: header, trustedProxies: 'private' },
      message: `The option clientIpHeader must be the name of a header, like 'X-Real-IP', not '${header}'.`,
    })),
    {
      name: 'a header named by two lines, which are shown in one',
      options: { clientIpHeader: 'x\r\ny', trustedProxies: 'private' },
      message: "The option clientIpHeader must be the name of a header, like 'X-Real-IP', not 'x\\u000d\\u000ay'.",
    },
    {
      name: 'a header that is no text',
      options: { clientIpHeader: true, trustedProxies: 'private' },
      message: "The option clientIpHeader must be the name of a header, like 'X-Real-IP', not true.",
    },
    {
      name: 'several headers',
      options: { clientIpHeader: ['X-Real-IP'], trustedProxies: 'private' },
      message: "The option clientIpHeader must be the name of a header, like 'X-Real-IP', not an array.",
    },
    {
      name: 'a secret without a header',
      options: { secret: { values: 'abcdefghijklmnop' } },
      message: "The option secret.header must be the name of a header, like 'X-Origin-Verify', not undefined.",
    },
    ...([null, 'abcdefghijklmnop', ['x-origin', 'abcdefghijklmnop'], 1, () => 'abcdefghijklmnop'] as const).map(
      (secret) => ({
        name: `a secret that is ${typeof secret === 'string' ? 'a text' : String(secret)}`,
        options: { secret },
        message:
          "The option secret must be an object like { header: 'X-Origin-Verify', values: 'a long random text' }.",
      }),
    ),
    {
      name: 'a secret with a slip in a name',
      options: { secret: { header: 'x-origin', values: 'abcdefghijklmnop', value: 'qrstuvwxyzabcdef' } },
      message: 'The option secret has header and values, and no value.',
    },
    {
      name: 'a secret with an empty list of values',
      options: { secret: { header: 'x-origin', values: [] } },
      message: 'The option secret has no values: give the text that your proxies send.',
    },
    {
      name: 'a secret without a value, as of an environment variable that is not set',
      options: { secret: { header: 'x-origin', values: undefined } },
      message: 'The value of the option secret is undefined: is an environment variable missing?',
    },
    {
      name: 'a secret of which one value is undefined',
      options: { secret: { header: 'x-origin', values: ['abcdefghijklmnop', undefined] } },
      message: 'The value 2 of the option secret is undefined: is an environment variable missing?',
    },
    {
      name: 'a secret without values at all',
      options: { secret: { header: 'x-origin' } },
      message: 'The value of the option secret is undefined: is an environment variable missing?',
    },
    {
      name: 'a secret that is null',
      options: { secret: { header: 'x-origin', values: null } },
      message: 'The value of the option secret must be text, not null.',
    },
    {
      name: 'a secret that is a number',
      options: { secret: { header: 'x-origin', values: [12345678901234] } },
      message: 'The value of the option secret must be text, not a number.',
    },
    {
      name: 'a secret that is an object',
      options: { secret: { header: 'x-origin', values: { of: 'abcdefghijklmnop' } } },
      message: 'The value of the option secret must be text, not an object.',
    },
    {
      name: 'an empty secret, which a header that is not there would not match but an empty one would',
      options: { secret: { header: 'x-origin', values: '' } },
      message: 'The value of the option secret is empty: is an environment variable missing?',
    },
    {
      name: 'an empty secret beside a good one',
      options: { secret: { header: 'x-origin', values: ['abcdefghijklmnop', ''] } },
      message: 'The value 2 of the option secret is empty: is an environment variable missing?',
    },
    ...[
      'abc,def',
      ',',
      ' ',
      ' abcdef',
      'abcdef ',
      'abcdef\n',
      'abc\tdef',
      'abc\r\nx: y',
      'abc\0',
      'abc\x7f',
      'abcdéf',
    ].map((value) => ({
      name: `a secret with a character that it cannot have: ${JSON.stringify(value)}`,
      options: { secret: { header: 'x-origin', values: [value, 'abcdefghijklmnop'] } },
      message:
        'The value 1 of the option secret has a character that it cannot have: use visible ASCII without commas (one would make two headers look like one), and no blank at either end.',
    })),
    ...([0, -1, 1.5, Number.NaN, Infinity, 2 ** 53] as const).map((maxHops) => ({
      name: `maxHops: ${maxHops}`,
      options: { maxHops },
      message: `The option maxHops must be a whole number of values, 1 or more, not ${maxHops}.`,
    })),
    {
      name: 'maxHops as text',
      options: { maxHops: '32' },
      message: "The option maxHops must be a whole number of values, 1 or more, not '32'.",
    },
    {
      name: 'required of a field that is not counted',
      options: { required: ['for', 'prefix'] },
      message: "The option required names 'prefix', but xPrefix is 0: set xPrefix or drop 'prefix'.",
    },
    {
      name: 'required of the port of Forwarded',
      options: { forwarded: 1, required: ['port'] },
      message: "The option required names 'port', which the Forwarded header does not tell: drop 'port'.",
    },
    {
      name: 'required of the prefix of Forwarded',
      options: { forwarded: 'trusted', trustedProxies: 'private', required: ['for', 'prefix'] },
      message: "The option required names 'prefix', which the Forwarded header does not tell: drop 'prefix'.",
    },
    {
      name: 'required that is no list',
      options: { required: 'for' },
      message: "The option required must be a list like ['for', 'proto'], not 'for'.",
    },
    {
      name: 'required of a field that there is not',
      options: { required: ['client'] },
      message: "The option required takes 'for', 'proto', 'host', 'port', 'prefix', not 'client'.",
    },
    {
      name: 'another choice',
      options: { onInvalid: 'refuse' },
      message: "The option onInvalid must be 'ignore' or 'reject', not 'refuse'.",
    },
    {
      name: 'a host with a port',
      options: { allowedHosts: ['shop.example:443'] },
      message:
        "The option allowedHosts cannot take 'shop.example:443': ports are not compared, so write 'shop.example'.",
    },
    {
      name: 'an option that is none, near one',
      options: { trustedProxy: '10.0.0.0/8' },
      message: 'There is no option trustedProxy: did you mean trustedProxies?',
    },
    {
      name: 'an option that is none, near none',
      options: { numberOfProxies: 1 },
      message:
        'There is no option numberOfProxies: proxyFix knows xFor, xProto, xHost, xPort, xPrefix, forwarded, trustedProxies, secret, clientIpHeader, maxHops, required, headers, onInvalid, prefixMode, allowedHosts, socket, onDecision.',
    },
  ])('is told, word for word: $name', ({ options, message }) => {
    const error = mistake(options)
    expect([error.code, error.message]).toStrictEqual(['ERR_PROXYFIX_OPTION', message])
  })

  it('never shows a value of secret: messages end up in logs', () => {
    for (const values of ['hush ', ['hush,hush'], ['hush\u00e9', 'hush'], { hush: 'hush' }, ['', 'hush']]) {
      expect(mistake({ secret: { header: 'x-origin', values } }).message).not.toContain('hush')
    }
    expect(mistake({ secret: 'hush' }).message).not.toContain('hush')
    expect(mistake({ secret: { header: 'Cookie', values: 'hush' } }).message).not.toContain('hush')
  })

  it('is told by resolveConnection too', () => {
    const facts = { peer: {}, scheme: 'http', headers: {} }
    expect(() => resolveConnection(facts, { xFor: -1 })).toThrow(ProxyFixError)
  })
})

describe('good options', () => {
  it.each<ProxyFixOptions | undefined>([
    undefined,
    {},
    { xFor: 0, xProto: 0, xHost: 0, xPort: 0, xPrefix: 0 },
    { xFor: 100 },
    {
      xFor: undefined,
      headers: undefined,
      onDecision: undefined,
      allowedHosts: undefined,
      required: undefined,
      socket: undefined,
    },
    { required: [] },
    { required: ['for', 'proto', 'for'] },
    { allowedHosts: [] },
    { headers: 'keep', onInvalid: 'reject', prefixMode: 'strip', socket: false, onDecision: () => {} },
    {
      forwarded: undefined,
      trustedProxies: undefined,
      secret: undefined,
      clientIpHeader: undefined,
      maxHops: undefined,
    },
    { forwarded: 0, xFor: 2, xProto: 0 },
    { forwarded: 0, clientIpHeader: 'X-Real-IP', trustedProxies: [] },
    { forwarded: 3, xFor: undefined, required: ['for', 'proto', 'host'] },
    { forwarded: 'trusted', trustedProxies: () => true, maxHops: 1 },
    {
      xFor: 'trusted',
      xProto: 'trusted',
      xHost: 'trusted',
      xPort: 'trusted',
      xPrefix: 'trusted',
      trustedProxies: ['10.0.0.0/8', 'unix'],
      maxHops: Number.MAX_SAFE_INTEGER,
      required: ['for', 'proto', 'host', 'port', 'prefix'],
    },
    { clientIpHeader: 'CF-Connecting-IP', trustedProxies: '10.0.0.1', required: ['for'] },
    { clientIpHeader: "!#$%&'*+-.^_`|~09az", secret: { header: 'Authorization', values: ['a', '!~'] } },
  ])('make a policy that cannot be changed: %o', (options) => {
    const policy = trustPolicy(options)
    expect([Object.isFrozen(policy), Object.isFrozen(policy.checked)]).toStrictEqual([true, true])
    expect(Object.isFrozen(policy.warnings)).toBe(true)
    expect(trustPolicy(policy)).toBe(policy)
  })

  it.each(['two words', 'a  b', '!"#$%&()*+-./:;<=>?@[]^_`{|}~', "it's"])('may have the secret %j', (values) => {
    const policy = trustPolicy({ secret: { header: 'x-origin', values } })
    const facts = { peer: {}, scheme: 'http' }
    expect([
      resolveConnection({ ...facts, headers: { 'X-Origin': values } }, policy).trusted,
      resolveConnection({ ...facts, headers: { 'X-Origin': `${values} ` } }, policy).trusted,
      resolveConnection({ ...facts, headers: { 'X-Origin': values.replaceAll(' ', '') + '!' } }, policy).trusted,
    ]).toStrictEqual([true, false, false])
  })

  it('are read once: what becomes of the object afterwards changes nothing', () => {
    const allowedHosts = ['shop.example']
    const required: ('for' | 'proto')[] = []
    const options = { xFor: 1, allowedHosts, required }
    const policy = trustPolicy(options)
    options.xFor = 2
    allowedHosts.push('evil.example')
    required.push('proto')
    const facts = {
      peer: {},
      scheme: 'http',
      host: 'shop.example',
      headers: { 'x-forwarded-for': '6.6.6.6, 203.0.113.7' },
    }
    const info = resolveConnection(facts, policy)
    expect([info.client.address, info.refusal]).toStrictEqual(['203.0.113.7', undefined])
    expect(resolveConnection({ ...facts, host: 'evil.example' }, policy).refusal?.field).toBe('host')
  })
})

describe('policy.warnings', () => {
  /** That whoever connects is believed. */
  const anybody = (what: string): string =>
    `Hop counts believe whoever connects: make sure that only your own proxies can reach this port, or anyone who does can choose its ${what}; better, list them in trustedProxies.`
  const NOTHING = 'No header is believed, as every count is 0: trustedProxies and secret do nothing alone.'
  const NOBODY = 'trustedProxies is empty, so nobody is believed and no header is ever read.'
  const GUESSED = 'A value of secret has fewer than 20 characters and may be guessed: use a long random text.'
  const NO_WALK = "maxHops ends a 'trusted' walk, and there is none: counts say themselves how far they go."
  const KEPT =
    "headers is 'keep', so the app finds the forwarding headers as they were sent: whatever reads them by itself may believe the client."
  const secret = { header: 'x-origin', values: 'abcdefghijklmnopqrst' }

  it.each<{ name: string; options: ProxyFixOptions; warnings: string[] }>([
    { name: 'the defaults, which believe whoever connects', options: {}, warnings: [anybody('address and scheme')] },
    { name: 'equal counts', options: { xFor: 2, xProto: 2 }, warnings: [anybody('address and scheme')] },
    {
      name: 'all counts',
      options: { xHost: 1, xPort: 1, xPrefix: 1 },
      warnings: [anybody('address, scheme, host, port and prefix')],
    },
    {
      name: 'counts without xFor',
      options: { xFor: 0, xProto: 1, xHost: 1 },
      warnings: [anybody('scheme and host')],
    },
    {
      name: 'Forwarded from whoever connects',
      options: { forwarded: 1 },
      warnings: [anybody('address, scheme and host')],
    },
    {
      name: 'only a prefix from whoever connects',
      options: { xFor: 0, xProto: 0, xPrefix: 1 },
      warnings: [anybody('prefix')],
    },
    { name: 'only an address from whoever connects', options: { xProto: 0 }, warnings: [anybody('address')] },
    {
      name: 'nothing read, of proxies that are listed',
      options: { xFor: 0, xProto: 0, trustedProxies: 'private' },
      warnings: [NOTHING],
    },
    { name: 'nothing read, with a secret', options: { xFor: 0, xProto: 0, secret }, warnings: [NOTHING] },
    {
      name: 'nothing read, of nobody',
      options: { xFor: 0, xProto: 0, trustedProxies: [], headers: 'keep' },
      warnings: [NOTHING, NOBODY],
    },
    { name: 'nothing read at all', options: { xFor: 0, xProto: 0 }, warnings: [] },
    { name: 'nothing read at all, and kept', options: { xFor: 0, xProto: 0, headers: 'keep' }, warnings: [] },
    { name: 'proxies listed', options: { trustedProxies: 'private' }, warnings: [] },
    { name: 'a predicate', options: { trustedProxies: () => true }, warnings: [] },
    { name: 'only unix sockets', options: { trustedProxies: ['unix'] }, warnings: [] },
    { name: 'a secret', options: { secret }, warnings: [] },
    { name: 'nobody listed', options: { trustedProxies: [] }, warnings: [NOBODY] },
    {
      name: 'a secret of 19 characters',
      options: { secret: { ...secret, values: 'abcdefghijklmnopqrs' } },
      warnings: [GUESSED],
    },
    {
      name: 'two short secrets, once',
      options: { secret: { ...secret, values: ['a', 'abcdefghijklmnopqrst', 'b'] } },
      warnings: [GUESSED],
    },
    {
      name: 'a count above 1 without xFor',
      options: { xFor: 0, xProto: 2, trustedProxies: 'private' },
      warnings: [
        'xProto is 2 while xFor is 0: nothing shows that a request came through 2 proxies, so a client behind fewer of them writes the value itself.',
      ],
    },
    {
      name: 'several counts above 1 without xFor',
      options: { xFor: 0, xProto: 1, xHost: 3, xPort: 2, xPrefix: 2, trustedProxies: 'private' },
      warnings: [
        'xHost is 3 while xFor is 0: nothing shows that a request came through 3 proxies, so a client behind fewer of them writes the value itself.',
        'xPort is 2 while xFor is 0: nothing shows that a request came through 2 proxies, so a client behind fewer of them writes the value itself.',
        'xPrefix is 2 while xFor is 0: nothing shows that a request came through 2 proxies, so a client behind fewer of them writes the value itself.',
      ],
    },
    {
      name: 'a count above that of the client',
      options: { xFor: 2, xProto: 3, xHost: 2, xPort: 1, trustedProxies: 'private' },
      warnings: [
        "xProto is 3 while xFor is 2: that value was written further away from you than the client's address, by whoever stands there.",
      ],
    },
    {
      name: 'a count above the one that is the default',
      options: { xHost: 2, trustedProxies: 'private' },
      warnings: [
        "xHost is 2 while xFor is 1: that value was written further away from you than the client's address, by whoever stands there.",
      ],
    },
    { name: 'a count beside a walk', options: { xFor: 'trusted', xHost: 9, trustedProxies: 'private' }, warnings: [] },
    {
      name: 'a count beside a header of its own',
      options: { clientIpHeader: 'X-Real-IP', xHost: 1, trustedProxies: 'private' },
      warnings: [],
    },
    {
      name: 'a count above 1 beside a header of its own',
      options: { clientIpHeader: 'X-Real-IP', xProto: 2, trustedProxies: 'private' },
      warnings: [
        'xProto is 2 beside clientIpHeader: nothing shows that a request came through 2 proxies, so a client behind fewer of them writes the value itself.',
      ],
    },
    {
      name: 'several counts above 1 beside a header of its own',
      options: { clientIpHeader: 'X-Real-IP', xHost: 3, xPort: 1, xPrefix: 2, secret },
      warnings: [
        'xHost is 3 beside clientIpHeader: nothing shows that a request came through 3 proxies, so a client behind fewer of them writes the value itself.',
        'xPrefix is 2 beside clientIpHeader: nothing shows that a request came through 2 proxies, so a client behind fewer of them writes the value itself.',
      ],
    },
    {
      name: 'maxHops without a walk',
      options: { xFor: 40, maxHops: 32, trustedProxies: 'private' },
      warnings: [NO_WALK],
    },
    { name: 'maxHops with a walk', options: { xFor: 'trusted', maxHops: 3, trustedProxies: 'private' }, warnings: [] },
    {
      name: 'maxHops with a walk in Forwarded',
      options: { forwarded: 'trusted', maxHops: 3, trustedProxies: 'private' },
      warnings: [],
    },
    { name: 'a count of elements', options: { forwarded: 3, trustedProxies: 'private' }, warnings: [] },
    { name: 'keep', options: { headers: 'keep', trustedProxies: 'private' }, warnings: [KEPT] },
    { name: 'remove', options: { headers: 'remove', trustedProxies: 'private' }, warnings: [] },
    {
      name: 'a block with host bits',
      options: { trustedProxies: '10.0.0.1/8' },
      warnings: [
        "trustedProxies has '10.0.0.1/8', which has bits set after the first 8: they are ignored, so the whole block is trusted; write the address alone if you meant one proxy.",
      ],
    },
    {
      name: 'everybody listed',
      options: { trustedProxies: ['0.0.0.0/0', '::/0'] },
      warnings: [
        "trustedProxies has '0.0.0.0/0', a block far wider than anybody's proxies: whoever is in it can choose its own address; list your proxies only.",
        "trustedProxies has '::/0', a block far wider than anybody's proxies: whoever is in it can choose its own address; list your proxies only.",
      ],
    },
    {
      name: 'all at once, those of the proxies first',
      options: {
        xFor: 0,
        xProto: 2,
        headers: 'keep',
        maxHops: 1,
        trustedProxies: '0.0.0.0/0',
        secret: { ...secret, values: 'a' },
      },
      warnings: [
        "trustedProxies has '0.0.0.0/0', a block far wider than anybody's proxies: whoever is in it can choose its own address; list your proxies only.",
        GUESSED,
        'xProto is 2 while xFor is 0: nothing shows that a request came through 2 proxies, so a client behind fewer of them writes the value itself.',
        NO_WALK,
        KEPT,
      ],
    },
  ])('of $name', ({ options, warnings }) => {
    expect(trustPolicy(options).warnings).toStrictEqual(warnings)
  })

  it.each<{ options: ProxyFixOptions }>([
    { options: { secret: { ...secret, values: 'hush' } } },
    { options: { secret: { ...secret, values: ['hush-hush-hush-hush'] }, headers: 'keep' } },
  ])('never show a secret', ({ options }) => {
    expect(trustPolicy(options).warnings.join()).not.toContain('hush')
  })
})

describe('allowedHosts', () => {
  function allows(allowedHosts: readonly string[], host: string): boolean {
    const info = resolveConnection({ peer: {}, scheme: 'http', host, headers: {} }, { allowedHosts })
    return info.refusal === undefined
  }

  it.each<{ entry: string; yes: string[]; no: string[] }>([
    {
      entry: 'shop.example',
      yes: ['shop.example', 'SHOP.Example', 'shop.example.', 'shop.example:8080', 'shop.example.:80'],
      no: [
        'a.shop.example',
        'xshop.example',
        'shop.example.evil',
        'evil.example',
        'shop',
        'example',
        'shop.example@evil.example',
      ],
    },
    {
      entry: '.shop.example',
      yes: ['shop.example', 'a.shop.example', 'a.b.shop.example', 'A.SHOP.example.:80', '_a.shop.example'],
      no: ['xshop.example', 'shop.example.evil', 'evil-shop.example', 'example', '.shop.example', 'a..shop.example'],
    },
    { entry: 'SHOP.Example.', yes: ['shop.example', 'shop.example.'], no: ['a.shop.example'] },
    { entry: '.Shop.Example.', yes: ['shop.example', 'a.shop.example.'], no: ['xshop.example'] },
    { entry: 'localhost', yes: ['localhost', 'localhost:3000'], no: ['a.localhost', '127.0.0.1'] },
    { entry: '.localhost', yes: ['localhost', 'a.localhost'], no: ['xlocalhost'] },
    {
      entry: '192.0.2.1',
      yes: ['192.0.2.1', '192.0.2.1:81'],
      no: ['192.0.2.10', '192.0.2.1.', '1.192.0.2.1', '3221225985'],
    },
    { entry: '[2001:DB8:0::1]', yes: ['[2001:db8::1]', '[2001:db8:0:0::1]:81'], no: ['[2001:db8::2]', '2001:db8::1'] },
    // UTS #46, as the name goes over the wire.
    {
      entry: 'bücher.example',
      yes: ['xn--bcher-kva.example', 'XN--BCHER-KVA.example:80'],
      no: ['bcher-kva.example', 'bücher.example', 'a.xn--bcher-kva.example'],
    },
    { entry: '.BÜCHER.example', yes: ['xn--bcher-kva.example', 'a.xn--bcher-kva.example'], no: ['bucher.example'] },
    { entry: 'xn--bcher-kva.example', yes: ['xn--bcher-kva.example'], no: ['bcher-kva.example'] },
    { entry: 'bu\u0308cher.example', yes: ['xn--bcher-kva.example'], no: ['bucher.example'] },
    { entry: '例え.テスト', yes: ['xn--r8jz45g.xn--zckzah'], no: ['xn--r8jz45g'] },
  ])('$entry', ({ entry, yes, no }) => {
    expect(yes.filter((host) => !allows([entry], host))).toStrictEqual([])
    expect(no.filter((host) => allows([entry], host))).toStrictEqual([])
  })

  it('allow what any entry allows', () => {
    const entries = ['shop.example', '.blog.example', '[::1]']
    expect(
      ['shop.example', 'a.blog.example', '[::1]:3000', 'a.shop.example'].map((host) => allows(entries, host)),
    ).toStrictEqual([true, true, true, false])
  })

  it('allow nothing when the list is empty, and anything when there is none', () => {
    expect(allows([], 'shop.example')).toBe(false)
    expect(resolveConnection({ peer: {}, scheme: 'http', host: 'a@b', headers: {} }).refusal).toBeUndefined()
  })
})

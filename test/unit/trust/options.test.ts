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
    { options: { xFor: '1' }, says: ['xFor', "'1'", 'whole number'] },
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
    { options: Object.create({ trustedProxies: [] }), says: ['trustedProxies', 'not in this release'] },
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
  ])('that is not known is told with the one that is meant: $name', ({ name, meant }) => {
    const { code, message } = mistake({ [name]: 1 })
    expect(code).toBe('ERR_PROXYFIX_OPTION')
    expect(message).toContain(`'${name}'`)
    expect(message).toContain(`did you mean ${meant}?`)
  })

  it.each(['numberOfProxies', 'constructor'])('that is near none is told with all that there are: %s', (name) => {
    const { code, message } = mistake({ [name]: true })
    expect(code).toBe('ERR_PROXYFIX_OPTION')
    for (const word of [`'${name}'`, 'xFor', 'xProto', 'xHost', 'xPort', 'xPrefix', 'allowedHosts', 'required']) {
      expect(message).toContain(word)
    }
  })

  it('that is not known is told even when its value is undefined', () => {
    expect(mistake({ x_for: undefined }).message).toContain('xFor')
  })

  it.each([
    { trustedProxies: ['10.0.0.0/8'] },
    { secret: { header: 'x', values: 'y' } },
    { clientIpHeader: 'cf-connecting-ip' },
    { maxHops: 3 },
    { forwarded: 1 },
  ])('of a later release is not ignored: %o', (options) => {
    const { code, message } = mistake(options)
    expect(code).toBe('ERR_PROXYFIX_OPTION')
    expect(message).toContain(Object.keys(options)[0])
  })

  it.each(['xFor', 'xProto', 'xHost', 'xPort', 'xPrefix'])(
    "%s: 'trusted' of a later release is not taken for a count",
    (name) => {
      const { code, message } = mistake({ [name]: 'trusted' })
      expect(code).toBe('ERR_PROXYFIX_OPTION')
      expect(message).toContain(name)
      expect(message).toContain("'trusted'")
    },
  )

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
  ])('make a policy that cannot be changed: %o', (options) => {
    const policy = trustPolicy(options)
    expect([Object.isFrozen(policy), Object.isFrozen(policy.checked)]).toStrictEqual([true, true])
    expect(Object.isFrozen(policy.warnings)).toBe(true)
    expect(trustPolicy(policy)).toBe(policy)
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
  it.each<{ options: ProxyFixOptions; names: string[] }>([
    { options: {}, names: ['Hop counts'] },
    { options: { xFor: 2, xProto: 2 }, names: ['Hop counts'] },
    { options: { xFor: 0, xProto: 1, xHost: 1 }, names: ['Hop counts'] },
    { options: { xFor: 0, xProto: 2 }, names: ['Hop counts', 'xProto'] },
    { options: { xFor: 0, xProto: 0, xHost: 3, xPrefix: 2 }, names: ['Hop counts', 'xHost', 'xPrefix'] },
    { options: { xFor: 0, xProto: 0 }, names: [] },
  ])('tell what is dangerous in $options', ({ options, names }) => {
    const { warnings } = trustPolicy(options)
    expect(warnings).toHaveLength(names.length)
    for (const [index, name] of names.entries()) {
      expect(warnings[index]).toContain(name)
      expect(warnings[index]).toMatch(/^[A-Za-z].*\.$/)
    }
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

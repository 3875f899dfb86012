/** Any facts at all, and any options that may be given: what every decision must stand. */

import fc from 'fast-check'
import type { ConnectionFacts, Field } from '../../src/trust/connection.ts'
import type { ProxyFixOptions } from '../../src/trust/options.ts'
import { anyText, COUNTED_HEADERS, proxyValues } from './arbitraries.ts'
import {
  anyAddress,
  elementStyle,
  OURS,
  ourAddress,
  spelling,
  stranger,
  writeElement,
  writeFor,
  writeForwardedFor,
} from './network.ts'

const BLANKS_AND_COMMAS = [',', ', ', ' ,', '\t, \t']

/** One value of X-Forwarded-For: mostly somebody's address, else what is none. */
const forValue: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(ourAddress, spelling).map(([address, how]) => writeFor(address, how)) },
  { weight: 3, arbitrary: fc.tuple(stranger, spelling).map(([address, how]) => writeFor(address, how)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      'unknown',
      '_hidden',
      '010.0.0.1',
      '10.0.0.1:',
      '10.0.0.1:080',
      '"10.0.0.1',
      '""10.0.0.1""',
      '[10.0.0.1]',
      '[::1',
      '::1]:80',
      '[::1]:65536',
      'fe80::1%1',
      '10.0.0.1/8',
    ),
  },
  { weight: 1, arbitrary: anyText },
)

const node = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(ourAddress, elementStyle) },
  { weight: 3, arbitrary: fc.tuple(stranger, elementStyle) },
)

/** One element of Forwarded: mostly a legal one. */
export const forwardedElement: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(node, proxyValues['X-Forwarded-Proto'], proxyValues['X-Forwarded-Host'], fc.nat({ max: 7 }))
      .map(([[address, style], proto, host, present]) =>
        writeElement(
          {
            ...(present === 0 ? {} : { for: writeForwardedFor(address, style) }),
            ...(present % 2 === 0 ? { proto } : {}),
            ...(present % 3 === 0 ? { host } : {}),
          },
          style,
        ),
      ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom(
          'unknown',
          'UNKNOWN',
          '_hidden',
          '_a.b-c',
          'unknown:80',
          '_hidden:_port',
          '10.0.0.1:_port',
          '[::1]:_p.1',
          '203.0.113.7:0',
          '10.0.0.1:65536',
          '10.0.0.1:080',
          '',
          '_',
          '_a b',
          ' 10.0.0.1',
          '10.0.0.1:',
          'junk',
        ),
        elementStyle,
      )
      .map(([text, style]) => writeElement({ for: text, proto: 'https', host: 'shop.example' }, style)),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      ' ',
      ';',
      ' ; ;\t',
      'for=10.0.0.1;for=10.0.0.1',
      'for=10.0.0.1;FOR=203.0.113.7',
      'for=10.0.0.1;ext=1;ext=2',
      'for =10.0.0.1',
      'for= 10.0.0.1',
      'for=',
      'for',
      'for=10.0.0.1;proto',
      'for=10.0.0.1;=x',
      'for="10.0.0.1"x',
      'for="10.0.0.1',
      'for=10.0.0.1"',
      'for="10.0.0.1\\"',
      'for=10.0.0.1 proto=https',
      'for=10.0.0.1;x="\\',
      "for='10.0.0.1'",
    ),
  },
  { weight: 1, arbitrary: anyText },
)

/** Values as the lines of one header, a few of them to a line; no line at all now and then. */
export function linesOf(value: fc.Arbitrary<string>): fc.Arbitrary<string[]> {
  return fc
    .tuple(fc.array(value, { maxLength: 5 }), fc.constantFrom(...BLANKS_AND_COMMAS), fc.nat({ max: 5 }))
    .map(([values, joint, cut]) =>
      [values.slice(0, cut), values.slice(cut)].filter((some) => some.length > 0).map((some) => some.join(joint)),
    )
}

const valueLines: Readonly<Record<string, fc.Arbitrary<string[]>>> = {
  ...Object.fromEntries(
    COUNTED_HEADERS.map((name) => [
      name,
      linesOf(fc.oneof({ weight: 6, arbitrary: proxyValues[name] }, { weight: 1, arbitrary: anyText })),
    ]),
  ),
  'X-Forwarded-For': linesOf(forValue),
  Forwarded: linesOf(forwardedElement),
}

const SECRET_LINE = 'X-Origin-Verify'

/** The lines of each header that can decide, by its name. */
export const headerLines: fc.Arbitrary<Record<string, string[]>> = fc
  .record({ ...valueLines, 'X-Real-IP': fc.array(forValue, { maxLength: 2 }) })
  .map((record) => Object.fromEntries(Object.entries(record).filter(([, lines]) => lines.length > 0)))

const shape = fc.constantFrom('lists', 'joined', 'get', 'lower', 'null')

/** Facts that a request could have, and that none could. */
export const anyFacts: fc.Arbitrary<ConnectionFacts> = fc
  .record({
    address: fc.oneof(
      { weight: 8, arbitrary: ourAddress },
      { weight: 2, arbitrary: anyAddress },
      { weight: 1, arbitrary: fc.constantFrom('::ffff:10.0.0.1', 'fe80::1%eth0', '::1%', '', '/run/app.sock') },
      { weight: 1, arbitrary: anyText },
      { weight: 1, arbitrary: fc.constant(undefined) },
    ),
    port: fc.constantFrom(undefined, 1, 40000, 65535),
    scheme: fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom('http', 'https', 'ws', 'wss') },
      { weight: 1, arbitrary: anyText },
    ),
    host: fc.oneof(
      fc.constantFrom(undefined, '', 'app.internal:3000', 'APP.internal', '[::1]:80', 'a@b', '1.2.3'),
      anyText,
    ),
    prefix: fc.oneof(fc.constantFrom(undefined, '', '/', '/base', '/base/'), anyText),
    lines: headerLines,
    secret: fc.constantFrom(['kept'], ['kept'], ['kept'], ['kept'], undefined, ['wrong'], ['kept', 'kept'], ['']),
    noise: fc.array(fc.tuple(fc.constantFrom('get', '__proto__', 'constructor', 'Accept'), anyText), { maxLength: 2 }),
    shape,
  })
  .map(({ address, port, scheme, host, prefix, lines, secret, noise, shape: how }) => {
    const all = { ...lines, ...(secret === undefined ? {} : { [SECRET_LINE]: secret }) }
    const lower = new Map(Object.entries(all).map(([name, values]) => [name.toLowerCase(), values.join(', ')]))
    const sources: Readonly<Record<string, () => ConnectionFacts['headers']>> = {
      lists: () => ({ ...all, ...Object.fromEntries(noise) }),
      joined: () => Object.fromEntries(Object.entries(all).map(([name, values]) => [name, values.join(', ')])),
      lower: () => Object.fromEntries(lower),
      null: () => Object.assign(Object.create(null) as Record<string, string>, Object.fromEntries(lower)),
      get: () => ({ get: (name: string) => lower.get(name.toLowerCase()) ?? null }),
    }
    return { peer: { address, port }, scheme, host, prefix, headers: sources[how]?.() ?? {} }
  })

const trusting: fc.Arbitrary<ProxyFixOptions['trustedProxies']> = fc.oneof(
  { weight: 8, arbitrary: fc.constant(OURS) },
  {
    weight: 1,
    arbitrary: fc.subarray([...OURS, 'unix', 'private', 'linklocal', '::ffff:192.0.2.0/120', '0.0.0.0/0', '::/0']),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom<ProxyFixOptions['trustedProxies'][]>(
      'loopback, 10.0.0.0/8',
      [],
      () => true,
      () => true,
      (address) => address.startsWith('10.'),
      (address) => address === '',
      () => {
        throw new Error('not today')
      },
      (() => 'yes') as unknown as () => boolean, // only `true` trusts
    ),
  },
)

const kept = fc.record({
  headers: fc.constantFrom('normalize' as const, 'keep' as const, 'remove' as const),
  onInvalid: fc.constantFrom('ignore' as const, 'reject' as const),
  prefixMode: fc.constantFrom('mount' as const, 'strip' as const, 'url' as const, 'none' as const),
  hosts: fc.constantFrom(undefined, undefined, ['shop.example'], ['.internal', '[::1]'], []),
  maxHops: fc.constantFrom(undefined, undefined, 1, 2, 32),
  required: fc.subarray<Field>(['for', 'proto', 'host', 'port', 'prefix'], { maxLength: 2 }),
})

/** Options that `trustPolicy` takes. */
export const legalOptions: fc.Arbitrary<ProxyFixOptions> = fc
  .record({
    family: fc.constantFrom('x', 'x', 'x', 'forwarded', 'client ip'),
    walks: fc.boolean(),
    counts: fc.tuple(...[1, 2, 3, 4, 5].map(() => fc.nat({ max: 4 }))),
    trusts: fc.boolean(),
    trustedProxies: trusting,
    secret: fc.constantFrom(
      undefined,
      undefined,
      { header: SECRET_LINE, values: 'kept' },
      { header: 'x-origin-verify', values: ['old', 'kept'] },
    ),
    rest: kept,
  })
  .map(({ family, walks, counts: [xFor = 0, xProto = 0, xHost = 0, xPort = 0, xPrefix = 0], ...drawn }) => {
    const { hosts, maxHops, required, ...rest } = drawn.rest
    const trusts = drawn.trusts || walks || (family === 'client ip' && drawn.secret === undefined)
    const isWalk = walks && family !== 'client ip'
    // A count of 4 stands for 'trusted' where a walk allows that.
    const of = (count: number): number | 'trusted' => (isWalk && count === 4 ? 'trusted' : count)
    const lists = { xProto: of(xProto), xHost: of(xHost), xPort: of(xPort), xPrefix: of(xPrefix) }
    const configured: Record<Field, boolean> =
      family === 'forwarded'
        ? { for: true, proto: true, host: true, port: false, prefix: false }
        : {
            for: family === 'client ip' || isWalk || xFor !== 0,
            proto: xProto !== 0,
            host: xHost !== 0,
            port: xPort !== 0,
            prefix: xPrefix !== 0,
          }
    const reading: ProxyFixOptions =
      family === 'forwarded'
        ? { forwarded: isWalk ? 'trusted' : xFor + 1 }
        : family === 'client ip'
          ? { ...lists, clientIpHeader: 'X-Real-IP' }
          : { ...lists, xFor: isWalk ? 'trusted' : xFor }
    return {
      ...reading,
      ...rest,
      required: required.filter((field) => configured[field]),
      ...(trusts ? { trustedProxies: drawn.trustedProxies } : {}),
      ...(drawn.secret === undefined ? {} : { secret: drawn.secret }),
      ...(hosts === undefined ? {} : { allowedHosts: hosts }),
      ...(maxHops === undefined ? {} : { maxHops }),
    }
  })

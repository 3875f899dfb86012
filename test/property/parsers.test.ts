/**
 * The grammars, against any text at all: they answer and never throw, what they accept is what they say it is, and
 * what they give back they give back again. References: `ipaddr.js` and Node's own `isIP` for addresses, the WHATWG
 * URL parser for authorities.
 */

import { isIP } from 'node:net'
import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { describe, expect, it } from 'vitest'
import { canonicalAddress, canonicalIPv6, canonicalPeer, parseForwardedFor } from '../../src/trust/address.ts'
import { parseAuthority } from '../../src/trust/authority.ts'
import { fromRight } from '../../src/trust/list.ts'
import { parsePort } from '../../src/trust/port.ts'
import { parsePrefix, trimPrefix } from '../../src/trust/prefix.ts'
import { resolveConnection } from '../../src/trust/resolve.ts'
import { parseScheme } from '../../src/trust/scheme.ts'
import { anyText, COUNTED_HEADERS, countOptions } from './arbitraries.ts'
import { PROPERTY_TIMEOUT, PURE_RUNS } from './runs.ts'

const runs = { numRuns: PURE_RUNS }

/** Any spelling of an IPv6 address: which groups are padded, upper case, compressed, or written as IPv4. */
const ipv6 = fc
  .record({
    groups: fc.array(fc.oneof(fc.constant(0), fc.nat({ max: 0xffff }), fc.nat({ max: 0xff })), {
      minLength: 8,
      maxLength: 8,
    }),
    mapped: fc.boolean(),
    gap: fc.nat({ max: 7 }),
    gapLength: fc.nat({ max: 8 }),
    ipv4Tail: fc.boolean(),
    padded: fc.boolean(),
    upper: fc.boolean(),
  })
  .map(({ groups: drawn, mapped, gap, gapLength, ipv4Tail, padded, upper }) => {
    const groups = mapped ? [0, 0, 0, 0, 0, 0xffff, ...drawn.slice(6)] : [...drawn]
    const tail = ipv4Tail ? 6 : 8
    // A run of zeros is compressed only where there is one; nothing is compressed otherwise.
    const gapEnd = Math.min(gap + gapLength, tail)
    if (!mapped) groups.fill(0, gap, gapEnd)
    const isZero = gapEnd > gap && groups.slice(gap, gapEnd).every((group) => group === 0)
    const texts = groups.map((group) => group.toString(16).padStart(padded ? 4 : 1, '0'))
    if (ipv4Tail) {
      const [high = 0, low = 0] = groups.slice(6)
      texts.splice(6, 2, `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`)
    }
    const text = isZero ? `${texts.slice(0, gap).join(':')}::${texts.slice(gapEnd).join(':')}` : texts.join(':')
    return { text: upper ? text.toUpperCase() : text, groups }
  })

/** One group for two characters of an address, so that near misses are common. */
const nearAddress = fc
  .array(
    fc.constantFrom(
      '0',
      '1',
      '9',
      'a',
      'F',
      '25',
      '256',
      '00',
      ':',
      '::',
      '.',
      '1.2.3.4',
      'ffff',
      '%',
      '%eth0',
      ' ',
      '-',
      'x',
      '٣',
    ),
    {
      maxLength: 12,
    },
  )
  .map((parts) => parts.join(''))

function reference(groups: readonly number[]): string {
  const address = new ipaddr.IPv6([...groups])
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : address.toRFC5952String()
}

describe('canonicalAddress', () => {
  it('gives every spelling of an IPv6 address the text of ipaddr.js, mapped IPv4 folded', () => {
    fc.assert(
      fc.property(ipv6, ({ text, groups }) => {
        expect(canonicalAddress(text), text).toBe(reference(groups))
      }),
      runs,
    )
  })

  it('gives every spelling of an IPv6 host the text of the URL parser, nothing folded', () => {
    fc.assert(
      fc.property(ipv6, ({ text }) => {
        expect(`[${String(canonicalIPv6(text))}]`).toBe(new URL(`http://[${text}]/`).hostname)
      }),
      runs,
    )
  })

  it('gives a full IPv4 address as it is', () => {
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        expect(canonicalAddress(text)).toBe(text)
        expect(ipaddr.IPv4.isValidFourPartDecimal(text)).toBe(true)
      }),
      runs,
    )
  })

  it('accepts exactly the addresses in full form and without a zone', () => {
    fc.assert(
      fc.property(fc.oneof(nearAddress, anyText, fc.ipV6(), fc.ipV4Extended()), (text) => {
        const address = canonicalAddress(text)
        expect(address !== undefined, text).toBe(isIP(text) !== 0 && !text.includes('%'))
        if (address === undefined) return
        if (!text.includes(':')) expect(address).toBe(text)
        // ipaddr.js alone reads `::1.2.3.4` as mapped, so it is asked about the URL parser's text, which has no dots.
        else
          expect(address).toBe(reference(ipaddr.IPv6.parse(new URL(`http://[${text}]/`).hostname.slice(1, -1)).parts))
      }),
      runs,
    )
  })

  it('gives back what it gave', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          ipv6.map(({ text }) => text),
          nearAddress,
        ),
        (text) => {
          const address = canonicalAddress(text)
          if (address === undefined) return
          expect(canonicalAddress(address)).toBe(address)
          expect(isIP(address)).toBe(address.includes(':') ? 6 : 4)
        },
      ),
      runs,
    )
  })

  it('reads a peer with or without a zone alike', () => {
    fc.assert(
      fc.property(ipv6, fc.stringMatching(/^[a-z0-9%.]{0,10}$/), ({ text }, zone) => {
        expect(canonicalPeer(`${text}%${zone}`)).toBe(canonicalAddress(text))
      }),
      runs,
    )
  })
})

describe('parseForwardedFor', () => {
  it('gives an address in canonical text and a port from 1 to 65535, or nothing', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyText,
          nearAddress,
          nearAddress.map((text) => `[${text}]:1`),
        ),
        (text) => {
          const endpoint = parseForwardedFor(text)
          if (endpoint === undefined) return
          const { address = '', port, ...more } = endpoint
          expect(more).toStrictEqual({})
          expect(isIP(address)).not.toBe(0)
          expect(canonicalAddress(address)).toBe(address)
          if (port !== undefined) expect(Number.isInteger(port) && port >= 1 && port <= 65535).toBe(true)
        },
      ),
      runs,
    )
  })

  it('reads every form of an address with a port', () => {
    fc.assert(
      fc.property(ipv6, fc.ipV4(), fc.nat({ max: 65535 }), fc.boolean(), ({ text, groups }, ipv4, port, quoted) => {
        const quote = quoted ? '"' : ''
        const known = port === 0 ? {} : { port }
        expect(parseForwardedFor(`${quote}${text}${quote}`)).toStrictEqual({ address: reference(groups) })
        expect(parseForwardedFor(`${quote}[${text}]${quote}`)).toStrictEqual({ address: reference(groups) })
        expect(parseForwardedFor(`${quote}[${text}]:${port}${quote}`)).toStrictEqual({
          address: reference(groups),
          ...known,
        })
        expect(parseForwardedFor(`${quote}${ipv4}:${port}${quote}`)).toStrictEqual({ address: ipv4, ...known })
      }),
      runs,
    )
  })
})

const label = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/)
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'))
const nearAuthority = fc
  .tuple(
    fc.oneof(
      name,
      anyText,
      fc.ipV4Extended(),
      ipv6.map(({ text }) => `[${text}]`),
      nearAddress.map((text) => `[${text}]`),
    ),
    fc.constantFrom('', '.', '..', ' ', '/', '\\', '@'),
    fc.constantFrom('', ':', ':0', ':80', ':443', ':8080', ':080', ':65535', ':65536', ':x'),
  )
  .map((parts) => parts.join(''))

describe('parseAuthority', () => {
  it('accepts only what a URL parser reads as the very same host and port', () => {
    fc.assert(
      fc.property(nearAuthority, (text) => {
        const authority = parseAuthority(text)
        if (authority === undefined) return
        const url = new URL(`https://${text}/`)
        expect(authority.hostname, text).toBe(url.hostname)
        expect(authority.port ?? 443, text).toBe(Number(url.port || 443))
        expect([url.username, url.password, url.pathname, url.search, url.hash]).toStrictEqual(['', '', '/', '', ''])
      }),
      runs,
    )
  })

  it('accepts every name that a URL parser leaves as it is, but for letter case', () => {
    fc.assert(
      fc.property(name, fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }), (text, port) => {
        const lower = text.toLowerCase()
        let hostname: string | undefined
        try {
          hostname = new URL(`http://${text}/`).hostname
        } catch {
          hostname = undefined
        }
        const expected = hostname === lower && text.length <= 253 ? { hostname: lower, port } : undefined
        expect(parseAuthority(port === undefined ? text : `${text}:${port}`), text).toStrictEqual(expected)
      }),
      runs,
    )
  })

  it('gives back what it gave', () => {
    fc.assert(
      fc.property(nearAuthority, (text) => {
        const authority = parseAuthority(text)
        if (authority === undefined) return
        const { hostname, port } = authority
        expect(parseAuthority(hostname)).toStrictEqual({ hostname, port: undefined })
        expect(parseAuthority(port === undefined ? hostname : `${hostname}:${port}`)).toStrictEqual(authority)
      }),
      runs,
    )
  })
})

const nearPrefix = fc
  .array(
    fc.constantFrom(
      '/',
      '/a',
      'b',
      '.',
      '..',
      '%',
      '%2e',
      '%2F',
      '%5c',
      '%41',
      '%C3%A9',
      '%0a',
      '\\',
      '?',
      '#',
      ' ',
      '~',
      '-',
      'é',
      ';',
    ),
    {
      maxLength: 8,
    },
  )
  .map((parts) => parts.join(''))

describe('parsePrefix', () => {
  it('accepts only a path that stays where it is in front of every link', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          nearPrefix,
          anyText,
          nearPrefix.map((text) => `/a${text}`),
        ),
        (text) => {
          const prefix = parsePrefix(text)
          if (prefix === undefined) return
          expect(text === prefix || text === `${prefix}/`).toBe(true)
          expect(prefix.length).toBeLessThanOrEqual(1024)
          // As a redirect it names no other host, and a URL parser neither climbs nor repairs.
          const url = new URL(`${prefix}/x?y`, 'http://app.internal')
          expect([url.host, url.pathname, url.search, url.hash]).toStrictEqual([
            'app.internal',
            `${prefix}/x`,
            '?y',
            '',
          ])
          const decoded = decodeURIComponent(prefix.replaceAll(/%[89a-f][0-9a-f]/gi, 'x'))
          const [before, ...segments] = decoded.split('/')
          expect(before).toBe('')
          expect(segments.filter((segment) => ['', '.', '..'].includes(segment))).toStrictEqual([])
          expect(
            [...decoded].filter((character) => character < ' ' || character === '\x7f' || character === '\\'),
          ).toStrictEqual([])
        },
      ),
      runs,
    )
  })

  it('gives back what it gave, which has no trailing slash', () => {
    fc.assert(
      fc.property(
        nearPrefix.map((text) => `/a${text}`),
        (text) => {
          const prefix = parsePrefix(text)
          if (prefix === undefined) return
          expect(parsePrefix(prefix)).toBe(prefix)
          expect(trimPrefix(prefix)).toBe(prefix)
          expect(prefix.endsWith('/')).toBe(false)
        },
      ),
      runs,
    )
  })

  it('accepts every path of plain segments', () => {
    const segment = fc.stringMatching(/^[A-Za-z0-9._~-]{1,12}$/).filter((text) => text !== '.' && text !== '..')
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 6 }), (segments) => {
        const path = `/${segments.join('/')}`
        expect([parsePrefix(path), parsePrefix(`${path}/`)]).toStrictEqual([path, path])
      }),
      runs,
    )
  })
})

describe('parsePort and parseScheme', () => {
  it('a port is the decimal text of a number from 1 to 65535, and nothing else', () => {
    fc.assert(
      fc.property(
        fc.oneof(anyText, fc.nat({ max: 70000 }).map(String), fc.stringMatching(/^[0-9+. -]{0,7}$/)),
        (text) => {
          const number = Number(text)
          const isPort = /^[0-9]+$/.test(text) && String(number) === text && number >= 1 && number <= 65535
          expect(parsePort(text), text).toBe(isPort ? number : undefined)
        },
      ),
      runs,
    )
  })

  it('a scheme is one of four words in any case, and nothing else', () => {
    const cased = fc.mixedCase(fc.constantFrom('http', 'https', 'ws', 'wss', 'htttp', 'w'))
    fc.assert(
      fc.property(fc.oneof(cased, anyText), (text) => {
        const isScheme = /^(?:https?|wss?)$/i.test(text) && text.length === new TextEncoder().encode(text).length
        expect(parseScheme(text), text).toBe(isScheme ? text.toLowerCase() : undefined)
      }),
      runs,
    )
  })
})

describe('fromRight', () => {
  it('is the value counted from the right of all that stands between commas, blanks dropped', () => {
    fc.assert(
      fc.property(
        fc.array(
          anyText.map((text) => text.replaceAll(',', '')),
          { minLength: 1, maxLength: 6 },
        ),
        fc.integer({ min: 1, max: 8 }),
        (values, count) => {
          const value = values[values.length - count]
          expect(fromRight(values.join(','), count)).toBe(value?.replaceAll(/^[ \t]+|[ \t]+$/g, ''))
        },
      ),
      runs,
    )
  })
})

describe('resolveConnection', () => {
  it(
    'is total: whatever the facts and headers hold, it answers, and each part of the answer keeps its grammar',
    () => {
      const headers = fc
        .array(
          fc.tuple(fc.constantFrom(...COUNTED_HEADERS), fc.oneof(anyText, nearAuthority, nearPrefix, nearAddress)),
          { maxLength: 6 },
        )
        .map((lines) => {
          const record: Record<string, string[]> = {}
          for (const [header, value] of lines) (record[header] ??= []).push(value)
          return record
        })
      const optional = fc.option(anyText, { nil: undefined })
      fc.assert(
        fc.property(headers, countOptions, optional, optional, optional, (record, counts, address, host, prefix) => {
          const info = resolveConnection(
            { peer: { address }, scheme: 'http', host, prefix, headers: record },
            { ...counts, onInvalid: 'reject' },
          )
          const { client } = info
          if (client.address !== undefined) expect(canonicalAddress(client.address)).toBe(client.address)
          else expect(client.port).toBeUndefined()
          expect(['http', 'https', 'ws', 'wss']).toContain(info.scheme)
          if (info.hostname !== undefined) {
            expect(parseAuthority(info.hostname)).toStrictEqual({ hostname: info.hostname, port: undefined })
            const defaultPort = info.scheme === 'https' || info.scheme === 'wss' ? 443 : 80
            expect(info.host).toBe(info.port === defaultPort ? info.hostname : `${info.hostname}:${String(info.port)}`)
          }
          if (info.verdicts.prefix === 'trusted')
            expect(parsePrefix(info.prefix === '' ? '/' : info.prefix)).toBe(info.prefix)
          const isRejected = (field: keyof typeof info.verdicts): boolean =>
            ['short', 'empty', 'invalid'].includes(info.verdicts[field])
          const fields = ['for', 'proto', 'host', 'port', 'prefix'] as const
          expect(info.rejected.map(({ field }) => field)).toStrictEqual(fields.filter(isRejected))
          for (const { value } of info.rejected) expect(value.length).toBeLessThanOrEqual(256)
          expect(info.refusal !== undefined).toBe(fields.some((field) => info.verdicts[field] === 'invalid'))
        }),
        runs,
      )
    },
    PROPERTY_TIMEOUT,
  )
})

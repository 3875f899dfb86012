/**
 * Requests as they come through a chain of honest proxies, whatever a client put in front: each proxy writes down
 * who connected to it, and the scheme, host, port and prefix that it was asked for.
 */

import fc from 'fast-check'
import type { ConnectionInfo } from '../../src/trust/connection.ts'
import type { ProxyFixOptions } from '../../src/trust/options.ts'
import { resolveConnection } from '../../src/trust/resolve.ts'
import { anyText, COUNTED_HEADERS, type CountedHeader, forwardingName, otherName, proxyValues } from './arbitraries.ts'
import {
  type ElementStyle,
  elementStyle,
  ourAddress,
  type Spelling,
  spelling,
  stranger,
  writeElement,
  writeFor,
  writeForwardedFor,
} from './network.ts'

export type Line = readonly [name: string, value: string]

/** Replace what came; add to its last line; write a line of its own below. */
type Way = 'set' | 'append' | 'append without a blank' | 'line'

type Written = CountedHeader | 'Forwarded'
const WRITTEN: readonly Written[] = [...COUNTED_HEADERS, 'Forwarded']

/** Set by the innermost proxy alone, whatever came. */
export const SECRET_HEADER = 'X-Origin-Verify'
export const SECRET = 'kept-between-us'

interface HonestProxy {
  /** What the next one, or the app, sees. */
  readonly address: string
  readonly ways: Readonly<Record<Written, Way>>
  readonly spelling: Spelling
  readonly style: ElementStyle
  readonly proto: string
  readonly host: string
  readonly port: string
  readonly prefix: string
}

export interface Chain {
  /** As the outermost proxy saw it. */
  readonly client: string
  /** The outermost first. */
  readonly proxies: readonly HonestProxy[]
  /** Whether each proxy treats all headers alike, so that one place is one hop in all of them. */
  readonly lockStep: boolean
}

const way = fc.constantFrom<Way[]>('append', 'append', 'append', 'append without a blank', 'line', 'set')
const honestProxy: fc.Arbitrary<HonestProxy> = fc.record({
  address: ourAddress,
  // One constructor for all: a record of six arbitraries for each proxy is what costs most here.
  ways: fc
    .array(way, { minLength: WRITTEN.length, maxLength: WRITTEN.length })
    .map((ways) => Object.fromEntries(WRITTEN.map((name, index) => [name, ways[index]])) as HonestProxy['ways']),
  spelling,
  style: elementStyle,
  proto: proxyValues['X-Forwarded-Proto'],
  host: proxyValues['X-Forwarded-Host'],
  port: proxyValues['X-Forwarded-Port'],
  prefix: proxyValues['X-Forwarded-Prefix'],
})

export function chainOf(length: number, lockStep: fc.Arbitrary<boolean>): fc.Arbitrary<Chain> {
  return fc.record({
    client: stranger,
    proxies: fc.array(honestProxy, { minLength: length, maxLength: length }),
    lockStep,
  })
}

export const clientLine: fc.Arbitrary<Line> = fc.tuple(
  fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...WRITTEN, ...WRITTEN, 'X-Real-IP', SECRET_HEADER) },
    { weight: 2, arbitrary: forwardingName },
    otherName,
  ),
  anyText,
)

/** The lines that reach the app when a client with this address sends these. */
export function throughChain(sent: readonly Line[], { client, proxies, lockStep }: Chain): Line[] {
  let lines = [...sent]
  let seen = client
  for (const [index, proxy] of proxies.entries()) {
    const { ways, style, proto, host, port, prefix } = proxy
    const written: Readonly<Record<Written, string>> = {
      'X-Forwarded-For': writeFor(seen, proxy.spelling),
      'X-Forwarded-Proto': proto,
      'X-Forwarded-Host': host,
      'X-Forwarded-Port': port,
      'X-Forwarded-Prefix': prefix,
      Forwarded: writeElement({ for: writeForwardedFor(seen, style), proto, host }, style),
    }
    for (const name of WRITTEN) lines = write(lines, name, ways[lockStep ? 'X-Forwarded-For' : name], written[name])
    if (index === proxies.length - 1) {
      lines = write(lines, SECRET_HEADER, 'set', SECRET)
      lines = write(lines, 'X-Real-IP', 'set', writeFor(seen, proxy.spelling))
    }
    seen = proxy.address
  }
  return lines
}

function write(lines: readonly Line[], name: string, how: Way, value: string): Line[] {
  const isSame = ([other]: Line): boolean => other.toLowerCase() === name.toLowerCase()
  if (how === 'set') return [...lines.filter((line) => !isSame(line)), [name, value]]
  const last = lines.findLastIndex(isSame)
  const lastLine = lines[last]
  if (how === 'line' || lastLine === undefined) return [...lines, [name, value]]
  return lines.with(last, [lastLine[0], `${lastLine[1]}${how === 'append' ? ', ' : ','}${value}`])
}

/** What is decided about lines that come from this peer; all of it but what was received. */
export function answerFrom(
  peer: string | undefined,
  lines: readonly Line[],
  options: ProxyFixOptions,
  asRecord: boolean,
): Omit<ConnectionInfo, 'original'> {
  const byName = new Map<string, string[]>()
  for (const [name, value] of lines) {
    const values = byName.get(name.toLowerCase())
    if (values === undefined) byName.set(name.toLowerCase(), [value])
    else values.push(value)
  }
  const headers = asRecord
    ? Object.fromEntries(byName)
    : { get: (name: string) => byName.get(name.toLowerCase())?.join(', ') }
  return withoutOriginal(
    resolveConnection(
      { peer: { address: peer, port: 40000 }, scheme: 'http', host: 'app.internal:3000', headers },
      options,
    ),
  )
}

export function withoutOriginal(info: ConnectionInfo): Omit<ConnectionInfo, 'original'> {
  const { client, peer, scheme, host, hostname, port, prefix, trusted, verdicts, rejected, refusal } = info
  return { client, peer, scheme, host, hostname, port, prefix, trusted, verdicts, rejected, refusal }
}

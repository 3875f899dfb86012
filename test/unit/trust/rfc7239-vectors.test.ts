/**
 * The grammar of RFC 7239, seen from outside: what each element of a `Forwarded` header makes of a request when it is
 * the one that counts. The vectors give the elements as a strict parser reads the header from the left; we cut them off
 * from the right (rule 9), and where that or the wider grammar gives something else, the case stands in a list.
 */

import { describe, expect, it } from 'vitest'
import type { ConnectionFacts, ConnectionInfo } from '../../../src/trust/connection.ts'
import type { ProxyFixOptions } from '../../../src/trust/options.ts'
import { resolveConnection } from '../../../src/trust/resolve.ts'
import { type Answer, type Element, knownDifferences } from '../../vectors/rfc7239-differences.ts'
import { describeDifferences, differingFields, headerRecord, readVectors, type Vector } from '../../vectors/vectors.ts'

interface Node {
  readonly type: 'ipv4' | 'ipv6' | 'obfuscated' | 'unknown' | 'invalid'
  readonly address?: string | null
  readonly port?: number | string
}

interface Expected {
  /** The parameters of each element, as text. */
  readonly elements?: readonly Readonly<Record<string, string>>[]
  /** What the nodes among them mean. */
  readonly nodes?: readonly { readonly for?: Node }[]
  /** The header is refused. */
  readonly error?: true
  readonly client?: string | null
  readonly client_id?: string
  readonly scheme?: string
  readonly host?: string
}

interface Case extends Vector<Expected> {
  /** The X-Forwarded-For value that this header is the translation of. */
  readonly from_xff?: string
}

const vectors = readVectors<Case>('rfc7239.json')
const isParsed = ({ expect: { elements, error } }: Case): boolean => elements !== undefined || error === true
const parsed = vectors.filter(isParsed)
const decided = vectors.filter((vector) => !isParsed(vector))

const PEER = '10.0.0.1'

function factsOf({ scheme, host, headers, peer }: Case): ConnectionFacts {
  return { peer: { address: peer ?? PEER }, scheme, host, headers: headerRecord(headers) }
}

/** What the element that counts says, read off the decision. */
function elementOf({ client, scheme, host, verdicts }: ConnectionInfo): Element {
  const seen = [verdicts.for, verdicts.proto, verdicts.host]
  if (seen.every((verdict) => verdict === 'invalid')) return 'bad'
  if (seen.every((verdict) => verdict === 'empty')) return 'empty'
  const element: Record<string, string | number> = {}
  if (verdicts.for === 'trusted') Object.assign(element, client)
  else if (verdicts.for !== 'absent') element['for'] = verdicts.for
  if (verdicts.proto === 'trusted') element['proto'] = scheme
  else if (verdicts.proto !== 'absent') element['proto'] = verdicts.proto
  if (verdicts.host === 'trusted' && host !== undefined) element['host'] = host
  else if (verdicts.host !== 'absent') element['host'] = verdicts.host
  return element
}

/** Every element, read by counts 1, 2, 3… until the header has no more. */
function ourElements(facts: ConnectionFacts): Element[] {
  const elements: Element[] = []
  for (let count = 1; ; count++) {
    const info = resolveConnection(facts, { forwarded: count })
    if (info.verdicts.for === 'short') return elements
    expect(info.verdicts).toMatchObject({ port: 'not-configured', prefix: 'not-configured' })
    elements.unshift(elementOf(info))
  }
}

function theirElement(parameters: Readonly<Record<string, string>>, node: Node | undefined): Element {
  const element: Record<string, string | number> = {}
  if (node?.type === 'ipv4' || node?.type === 'ipv6') element['address'] = node.address ?? ''
  if (node?.type === 'obfuscated') element['node'] = node.address ?? ''
  if (node?.type === 'unknown') element['node'] = 'unknown'
  if (node?.type === 'invalid') element['for'] = 'invalid'
  // An obfuscated port tells none (rule 9).
  if (typeof node?.port === 'number') element['port'] = node.port
  if (parameters['proto'] !== undefined) element['proto'] = parameters['proto']
  if (parameters['host'] !== undefined) element['host'] = parameters['host']
  return element
}

function theirAnswer({ expect: { elements, nodes, error } }: Case): Answer {
  if (error === true || elements === undefined) return { elements: 'refused' }
  return { elements: elements.map((parameters, index) => theirElement(parameters, nodes?.[index]?.for)) }
}

/** A header is refused when nothing in it can be read. */
function ourAnswer(vector: Case): Answer {
  const elements = ourElements(factsOf(vector))
  const isRefused = elements.length > 0 && elements.every((element) => element === 'bad')
  return { elements: isRefused ? 'refused' : elements }
}

describe('the 72 cases of RFC 7239', () => {
  it('are all there, each a header to read or a request to decide', () => {
    expect(vectors).toHaveLength(72)
    expect(new Set(vectors.map(({ name }) => name)).size).toBe(72)
    expect(parsed).toHaveLength(68)
    expect(decided).toHaveLength(4)
  })

  it.each(parsed)('$name', (vector) => {
    const known = knownDifferences.find(({ name }) => name === vector.name)
    expect(differingFields(ourAnswer(vector), theirAnswer(vector))).toStrictEqual(known?.ours ?? {})
  })

  it.each(decided)('$name', (vector) => {
    const { neutral, expect: theirs } = vector
    const { hops = 0 } = neutral?.trust ?? {}
    // A count of 0 is not set, and then the other family would be read.
    const options: ProxyFixOptions = hops === 0 ? { xFor: 0, xProto: 0 } : { forwarded: hops }
    const { client, scheme, host } = resolveConnection(factsOf(vector), options)
    expect({ client: client.address ?? null, client_id: client.node, scheme, host }).toMatchObject(theirs)
    if (theirs.client === null) expect(client.node).toBe(theirs.client_id ?? 'unknown')
  })

  it('say the same of a client as the X-Forwarded-For they are translated from', () => {
    const translated = vectors.filter(({ from_xff }) => from_xff !== undefined)
    expect(translated).toHaveLength(1)
    for (const vector of translated) {
      const facts = factsOf(vector)
      const clients = (options: (count: number) => ProxyFixOptions, headers: ConnectionFacts['headers']): unknown[] =>
        [1, 2].map((count) => resolveConnection({ ...facts, headers }, options(count)).client)
      expect(clients((xFor) => ({ xFor }), { 'X-Forwarded-For': vector.from_xff })).toStrictEqual(
        clients((forwarded) => ({ forwarded }), facts.headers),
      )
    }
  })
})

describe('no element of a header that has parameters, and none of ours', () => {
  // The vectors of forwarded-parse name parameters like foo: they are there to be passed over.
  it.each(parsed.filter(({ name }) => name.startsWith('forwarded-parse foo')))('changes anything: $name', (vector) => {
    const { client, scheme, host, verdicts } = resolveConnection(factsOf(vector), { forwarded: 1 })
    expect({ client, scheme, host }).toStrictEqual({ client: { address: PEER }, scheme: 'http', host: 'localhost' })
    expect(verdicts).toMatchObject({ for: 'absent', proto: 'absent', host: 'absent' })
  })
})

describeDifferences(knownDifferences, parsed)

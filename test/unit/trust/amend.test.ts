/** What a decision says once the app's own code has changed some of it. */

import { describe, expect, it } from 'vitest'
import {
  type ConnectionFacts,
  connectionInfo,
  explain,
  fixRequest,
  type ProxyFixOptions,
  resolveConnection,
} from '../../../src/index.ts'
import { amend, type Amendment, type Decided } from '../../../src/trust/amend.ts'

const FACTS: ConnectionFacts = {
  peer: { address: '10.0.0.1', port: 5 },
  scheme: 'http',
  host: 'internal',
  headers: { 'x-forwarded-for': '6.6.6.6, 203.0.113.7', 'x-forwarded-proto': 'junk' },
}
const OPTIONS: ProxyFixOptions = { xFor: 1, xProto: 1 }

function decided(clientPlace = 1): Decided {
  const info = resolveConnection(FACTS, OPTIONS)
  return { ...info, clientPlace, toInfo: () => ({ ...info }) }
}

describe('an amended decision', () => {
  it.each<{ what: string; amendment: Amendment }>([
    { what: 'the client', amendment: { client: { address: '192.0.2.1', port: 7 } } },
    { what: 'the scheme', amendment: { scheme: 'https' } },
    {
      what: 'the site',
      amendment: { scheme: 'https', host: 'shop.example:8443', hostname: 'shop.example', port: 8443 },
    },
    { what: 'the prefix', amendment: { prefix: '/app' } },
    { what: 'nothing', amendment: {} },
    { what: 'the site to none', amendment: { host: undefined, hostname: undefined } as unknown as Amendment },
  ])('has another value of $what, and all else as decided', ({ amendment }) => {
    const before = decided()
    const after = amend(before, amendment)
    const { clientPlace, toInfo, ...shown } = after
    expect(shown).toStrictEqual({ ...before.toInfo(), ...amendment })
    expect(toInfo()).toStrictEqual(shown)
    expect(clientPlace).toBe(1)
    expect(shown.verdicts).toStrictEqual({
      for: 'trusted',
      proto: 'invalid',
      host: 'not-configured',
      port: 'not-configured',
      prefix: 'not-configured',
    })
    expect(shown.rejected).toHaveLength(1)
    expect(shown.original.scheme).toBe('http')
  })

  it('gives each caller a copy, and leaves the first decision alone', () => {
    const before = decided()
    const after = amend(before, { prefix: '/app' })
    expect(after.toInfo()).not.toBe(after.toInfo())
    Object.assign(after.toInfo(), { prefix: '/evil' })
    expect([after.toInfo().prefix, before.toInfo().prefix]).toStrictEqual(['/app', ''])
    expect(amend(after, { scheme: 'https' }).toInfo()).toMatchObject({ prefix: '/app', scheme: 'https' })
  })

  it.each([
    { was: 1, client: { address: '192.0.2.1' }, place: 1 },
    { was: 3, client: { address: '192.0.2.1' }, place: 3 },
    { was: 0, client: { address: '192.0.2.1' }, place: 1 }, // whoever spoke for it is a hop after it
    { was: 2, client: { address: '10.0.0.1' }, place: 0 }, // the peer itself
    { was: 0, client: {}, place: 1 },
    { was: 2, client: undefined, place: 2 },
  ])('has its client at place $place, from $was', ({ was, client, place }) => {
    expect(amend(decided(was), client === undefined ? {} : { client }).clientPlace).toBe(place)
  })

  it('is no other for whoever explains the facts', () => {
    const request = fixRequest(
      new Request('http://internal/', { headers: { 'x-forwarded-for': '203.0.113.7' } }),
      OPTIONS,
    )
    expect(connectionInfo(request).client.address).toBe('203.0.113.7')
    expect(explain(FACTS, OPTIONS).info).toStrictEqual(resolveConnection(FACTS, OPTIONS))
  })
})

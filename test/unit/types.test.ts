/** The types are part of the product: what they take and give, as a program in TypeScript sees it. */

import type { IncomingMessage } from 'node:http'
import { describe, expectTypeOf, it } from 'vitest'
import {
  type Client,
  clientKey,
  connectionAttributes,
  type ConnectionAttributes,
  connectionInfo,
  type ConnectionInfo,
  type DecisionEvent,
  explain,
  type Explanation,
  forwardingHeaders,
  type ProxyFixOptions,
  resolveConnection,
  type TrustPolicy,
  trustPolicy,
  warnOnce,
} from '../../src/index.ts'

const FACTS = { peer: {}, scheme: 'http', headers: {} }

describe('options', () => {
  it('take counts, the walk, addresses in each form, and undefined for what is not set', () => {
    expectTypeOf<{ xFor: 'trusted'; xHost: 2; trustedProxies: readonly string[] }>().toExtend<ProxyFixOptions>()
    expectTypeOf<{ trustedProxies: (address: string) => boolean }>().toExtend<ProxyFixOptions>()
    expectTypeOf<{ secret: { header: string; values: readonly string[] } }>().toExtend<ProxyFixOptions>()
    expectTypeOf<{ xFor: undefined; forwarded: 1; maxHops: undefined }>().toExtend<ProxyFixOptions>()
    expectTypeOf<{ onDecision: (event: DecisionEvent) => void }>().toExtend<ProxyFixOptions>()
  })

  it('refuse what would throw', () => {
    expectTypeOf<{ xFor: 'Trusted' }>().not.toExtend<ProxyFixOptions>()
    expectTypeOf<{ xFor: '1' }>().not.toExtend<ProxyFixOptions>()
    expectTypeOf<{ trustedProxies: RegExp }>().not.toExtend<ProxyFixOptions>()
    expectTypeOf<{ secret: string }>().not.toExtend<ProxyFixOptions>()
    expectTypeOf<{ headers: 'strip' }>().not.toExtend<ProxyFixOptions>()
  })
})

describe('functions', () => {
  it('give what they say', () => {
    expectTypeOf(trustPolicy({ xFor: 1 })).toEqualTypeOf<TrustPolicy>()
    expectTypeOf(resolveConnection(FACTS)).toEqualTypeOf<ConnectionInfo>()
    expectTypeOf(explain(FACTS, trustPolicy())).toEqualTypeOf<Explanation>()
    expectTypeOf(explain(FACTS).info).toEqualTypeOf<ConnectionInfo>()
    expectTypeOf(connectionInfo).returns.toExtend<ConnectionInfo>()
    expectTypeOf(connectionAttributes(resolveConnection(FACTS))).toEqualTypeOf<ConnectionAttributes>()
    expectTypeOf(resolveConnection(FACTS).client).toEqualTypeOf<Client>()
    expectTypeOf(warnOnce()).toExtend<NonNullable<ProxyFixOptions['onDecision']>>()
  })

  it('take a request of either kind', () => {
    expectTypeOf(clientKey).toBeCallableWith('203.0.113.7')
    expectTypeOf(clientKey).toBeCallableWith({} as IncomingMessage, { ipv6Subnet: 64 })
    expectTypeOf(clientKey).toBeCallableWith({} as Request)
    expectTypeOf(forwardingHeaders).toBeCallableWith({} as IncomingMessage, { family: 'forwarded', append: true })
    expectTypeOf(forwardingHeaders).returns.toEqualTypeOf<Record<string, string>>()
  })
})

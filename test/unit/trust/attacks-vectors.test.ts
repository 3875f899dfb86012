/**
 * Attacks that worked on somebody, each with where. `must_not` holds what may never come out, however we are
 * configured: every case is run under each configuration that somebody could plausibly have behind such a proxy.
 * `recommended` is what a careful implementation gives, and is compared under the strictest of them, where every field
 * is read at the client's own place.
 */

import { describe, expect, it } from 'vitest'
import type { ConnectionFacts, ConnectionInfo } from '../../../src/trust/connection.ts'
import { ProxyFixError } from '../../../src/trust/error.ts'
import type { ProxyFixOptions } from '../../../src/trust/options.ts'
import { trustPolicy } from '../../../src/trust/policy.ts'
import { resolveConnection } from '../../../src/trust/resolve.ts'
import { type Answer, knownDifferences, type PolicyName, type Secret } from '../../vectors/attacks-differences.ts'
import { describeDifferences, differingFields, headerRecord, readVectors, type Vector } from '../../vectors/vectors.ts'

interface Config {
  readonly cidrs?: readonly string[]
  readonly hops?: number
  readonly family?: 'x-forwarded' | 'forwarded'
  /** Whether a prefix is read at all. */
  readonly prefix?: true
  readonly allowed_hosts?: readonly string[]
}

interface Recommended {
  readonly client?: string | null
  /** The request's port where X-Forwarded-Port is sent, else the client's. */
  readonly port?: number | null
  readonly scheme?: string
  readonly host?: string
  readonly prefix?: string
  readonly origin?: string
  readonly config_error?: true
  /** The header is refused. */
  readonly error?: true
  /** The walk stops at the last value. */
  readonly stop?: true
  /** Something is reported. */
  readonly flag?: string
  /** What would be as good. */
  readonly or?: string
  readonly max_ms?: number
}

interface Expected {
  readonly must_not: Partial<Secret>
  readonly recommended: Recommended
}

type Case = Vector<Expected, Config>

const vectors = readVectors<Case>('attacks.json')
const isConfigCase = ({ expect: { recommended } }: Case): boolean => recommended.config_error !== undefined
const requests = vectors.filter((vector) => !isConfigCase(vector))

function factsOf({ peer, scheme, host, headers }: Case): ConnectionFacts {
  return { peer: peer === null ? {} : { address: peer }, scheme, host, headers: headerRecord(headers) }
}

/** One setting for all fields; a prefix is read only where the case has it on. */
function all<Setting extends number | 'trusted'>(setting: Setting, { prefix }: Config): ProxyFixOptions {
  const xPrefix = prefix === true ? setting : 0
  return { xFor: setting, xProto: setting, xHost: setting, xPort: setting, xPrefix }
}

/** The configurations to run a case under. The first, `mapped`, is the one that says what the case says. */
function policiesOf({ config }: Case): [PolicyName, ProxyFixOptions][] {
  const { cidrs, hops, family, allowed_hosts: hosts } = config
  // '*.example.com' is written '.example.com' here, and holds example.com as well.
  const allowedHosts = hosts?.map((host) => host.replace(/^\*\./, '.'))
  const policies: [PolicyName, ProxyFixOptions][] = []
  if (family === 'forwarded') {
    policies.push(
      ['mapped', { forwarded: 'trusted', trustedProxies: cidrs }],
      ['counted', { forwarded: 1, trustedProxies: cidrs }],
      ['counted, from whoever connects', { forwarded: 1 }],
    )
  } else if (cidrs !== undefined) {
    policies.push(
      ['mapped', { ...all('trusted', config), trustedProxies: cidrs }],
      ['others counted', { ...all(1, config), xFor: 'trusted', trustedProxies: cidrs }],
      ['counted', { ...all(1, config), trustedProxies: cidrs }],
    )
  } else if (hops !== undefined) {
    policies.push(
      ['mapped', all(hops, config)],
      ['others counted', { ...all(1, config), xFor: hops }],
      ['counted', { ...all(hops, config), trustedProxies: '10.0.0.0/8' }],
    )
  } else {
    policies.push(
      ['mapped', {}],
      ['nobody', { ...all(1, config), trustedProxies: [] }],
      ['nothing read', all(0, config)],
    )
  }
  return policies.map(([name, options]) => [name, { ...options, allowedHosts }])
}

function mappedOf(vector: Case): ProxyFixOptions {
  return policiesOf(vector)[0]?.[1] ?? {}
}

function theirAnswer({ or: _or, max_ms: _max, config_error, error, stop, flag, ...values }: Recommended): Answer {
  return {
    ...values,
    ...(config_error && { configError: true }),
    ...(error && { invalid: true }),
    ...(stop && { stopped: true }),
    ...(flag === undefined ? {} : { flag }),
  }
}

function ourAnswer(vector: Case): Answer {
  const options = mappedOf(vector)
  if (isConfigCase(vector)) {
    try {
      trustPolicy(options)
    } catch (error) {
      expect(error).toBeInstanceOf(ProxyFixError)
      return { configError: true }
    }
    return { configError: false }
  }
  const { recommended } = vector.expect
  const info = resolveConnection(factsOf(vector), options)
  if (recommended.or === '400' && info.refusal !== undefined) return theirAnswer(recommended)
  const { client, scheme, host, prefix, verdicts, rejected } = info
  const isRequestPort = vector.headers.some(([name]) => name === 'X-Forwarded-Port')
  return {
    client: client.address ?? null,
    port: (isRequestPort ? info.port : client.port) ?? null,
    scheme,
    host: host ?? null,
    prefix,
    origin: `${scheme}://${host}`,
    invalid: verdicts.for === 'invalid',
    stopped: rejected.some(({ field }) => field === 'for'),
    flag: null,
  }
}

/** What of `must_not` comes out all the same; nothing comes out of a request that is refused. */
function comesOut(
  { client, scheme, host, prefix, refusal }: ConnectionInfo,
  mustNot: Partial<Secret>,
): Partial<Secret> {
  if (refusal !== undefined) return {}
  const shown: Secret = { client: client.address, scheme, host, prefix }
  const fields = Object.keys(mustNot) as (keyof Secret)[]
  return Object.fromEntries(fields.filter((name) => shown[name] === mustNot[name]).map((name) => [name, shown[name]]))
}

describe('the 95 attacks', () => {
  it('are all there', () => {
    expect(vectors).toHaveLength(95)
    expect(new Set(vectors.map(({ name }) => name)).size).toBe(95)
  })

  describe('end as a careful implementation ends them', () => {
    it.each(vectors)('$name', (vector) => {
      const known = knownDifferences.find(({ name }) => name === vector.name)
      const theirs = theirAnswer(vector.expect.recommended)
      expect(differingFields(ourAnswer(vector), theirs)).toStrictEqual(known?.ours ?? {})
    })
  })

  describe.each(['mapped', 'others counted', 'counted', 'counted, from whoever connects', 'nobody', 'nothing read'])(
    'get nothing through that must not come out: %s',
    (policyName) => {
      const cases = requests.flatMap((vector) =>
        policiesOf(vector)
          .filter(([name]) => name === policyName)
          .map(([, options]) => ({ name: vector.name, vector, options })),
      )
      it.each(cases)('$name', ({ vector, options }) => {
        const known = knownDifferences.find(({ name }) => name === vector.name)
        const info = resolveConnection(factsOf(vector), options)
        expect(comesOut(info, vector.expect.must_not)).toStrictEqual(known?.comesOut?.[policyName as PolicyName] ?? {})
      })
    },
  )
})

describe('where a 400 is as good as falling back', () => {
  const refusable = vectors.filter(({ expect: { recommended } }) => recommended.or === '400')

  it.each(refusable.filter(({ name }) => name !== "host ' '"))('onInvalid: reject gives it: $name', (vector) => {
    const { refusal } = resolveConnection(factsOf(vector), { ...mappedOf(vector), onInvalid: 'reject' })
    expect(refusal).toMatchObject({ status: 400, field: vector.config.prefix === true ? 'prefix' : 'host' })
  })

  it("a blank host is no host, which is not the same as a wrong one: host ' '", () => {
    const blank = refusable.filter(({ name }) => name === "host ' '")
    expect(blank).toHaveLength(1)
    for (const vector of blank) {
      const { refusal, verdicts } = resolveConnection(factsOf(vector), { ...mappedOf(vector), onInvalid: 'reject' })
      expect({ refusal, verdict: verdicts.host }).toStrictEqual({ refusal: undefined, verdict: 'empty' })
    }
  })
})

describeDifferences(knownDifferences, vectors)

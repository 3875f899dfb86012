/**
 * Werkzeug's ProxyFix is the model; every case it answers is answered the same here, but for the differences
 * that stand in a list with their rule.
 */

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { ProxyFixOptions } from '../../../src/trust/options.ts'
import { resolveConnection } from '../../../src/trust/resolve.ts'
import { type Answer, knownDifferences } from '../../vectors/werkzeug-differences.ts'

interface Vector {
  readonly name: string
  readonly options: ProxyFixOptions
  readonly base: {
    readonly remoteAddr: string
    readonly scheme: string
    readonly host: string | null
    readonly scriptName: string
  }
  readonly headers: Record<string, string>
  readonly expect: {
    readonly remoteAddr: string
    readonly scheme: string
    readonly httpHost: string | null
    readonly scriptName: string
    readonly urlRoot: string
  }
}

// The file is data of a known shape; it was written by the script that ran Werkzeug.
const vectors = JSON.parse(
  readFileSync(new URL('../../vectors/werkzeug.json', import.meta.url), 'utf8'),
) as readonly Vector[]

/** What Request gives when it cannot make a URL of the environ. */
const NO_URL = 'http:///'

/** Without a Host header Werkzeug's URL names the server's own SERVER_NAME, which is no fact of ours (rule 5). */
function hasComparableUrl({ expect: { httpHost, urlRoot } }: Vector): boolean {
  return httpHost !== null && urlRoot !== NO_URL
}

function werkzeugAnswer(vector: Vector): Answer {
  const { remoteAddr, scheme, httpHost, scriptName, urlRoot } = vector.expect
  // An empty REMOTE_ADDR or HTTP_HOST says the same as none at all.
  const answer = { address: remoteAddr || null, scheme, host: httpHost || null, prefix: scriptName }
  if (!hasComparableUrl(vector)) return answer
  const { protocol, hostname, port } = new URL(urlRoot)
  const defaultPort = { 'http:': 80, 'https:': 443, 'ws:': 80, 'wss:': 443 }[protocol] ?? null
  return { ...answer, hostname, port: port === '' ? defaultPort : Number(port), urlRoot }
}

function ourAnswer(vector: Vector): Answer {
  const { base, headers, options } = vector
  const { client, scheme, host, hostname, port, prefix } = resolveConnection(
    {
      peer: base.remoteAddr === '' ? {} : { address: base.remoteAddr },
      scheme: base.scheme,
      host: base.host ?? undefined,
      prefix: base.scriptName,
      headers,
    },
    options,
  )
  const answer = { address: client.address ?? null, scheme, host: host ?? null, prefix }
  if (!hasComparableUrl(vector)) return answer
  return { ...answer, hostname: hostname ?? null, port: port ?? null, urlRoot: `${scheme}://${host}${prefix}/` }
}

/** The fields in which we answer otherwise, with our values. */
function differingFields(ours: Answer, theirs: Answer): Partial<Answer> {
  const names = Object.keys(theirs) as (keyof Answer)[]
  return Object.fromEntries(names.filter((name) => ours[name] !== theirs[name]).map((name) => [name, ours[name]]))
}

describe('the 100 answers of Werkzeug 3.1.8', () => {
  it('are all there', () => {
    expect(vectors).toHaveLength(100)
    expect(new Set(vectors.map(({ name }) => name)).size).toBe(100)
  })

  it.each(vectors)('$name', (vector) => {
    const known = knownDifferences.find(({ name }) => name === vector.name)
    expect(differingFields(ourAnswer(vector), werkzeugAnswer(vector))).toStrictEqual(known?.ours ?? {})
  })
})

describe('the list of known differences', () => {
  it('names each case once, and only cases that exist', () => {
    const names = knownDifferences.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(names.filter((name) => !vectors.some((vector) => vector.name === name))).toStrictEqual([])
  })

  it('gives each a rule from 1 to 6, a reason and at least one field that differs', () => {
    for (const { name, rule, reason, ours } of knownDifferences) {
      expect(rule, name).toBeGreaterThanOrEqual(1)
      expect(rule, name).toBeLessThanOrEqual(6)
      expect(reason, name).not.toBe('')
      expect(Object.keys(ours), name).not.toHaveLength(0)
    }
  })
})

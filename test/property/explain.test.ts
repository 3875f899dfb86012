/**
 * An explanation is the decision itself, told: the same info, and a text that can be printed on any terminal and
 * written to any log, whatever the client sent. **The attack** is a header value that moves the cursor, forges a line
 * of the table, or turns the reading direction round.
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FIELDS } from '../../src/trust/connection.ts'
import { explain } from '../../src/trust/explain.ts'
import { trustPolicy } from '../../src/trust/policy.ts'
import { resolveConnection } from '../../src/trust/resolve.ts'
import { withoutOriginal } from './chains.ts'
import { anyFacts, legalOptions } from './facts.ts'
import { PROPERTY_TIMEOUT, PURE_RUNS } from './runs.ts'

const runs = { numRuns: PURE_RUNS }

// Controls, formats, lone surrogates, line and paragraph separators; all but the line feed between the lines.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u

// What FRAGMENTS of the arbitraries lack.
const nasty = fc.constantFrom(
  '\x1b[2J',
  '\r10.0.0.1',
  '\n10.0.0.1  trusted',
  '\x9b31m',
  '\u202e',
  '\u2066',
  '\u00ad',
  '\ufeff',
  '\u{e0041}',
  '\udc00',
  '\x7f',
  '\x08',
  '|',
  '\t',
  '全角',
)
const nastyFacts = fc
  .tuple(
    anyFacts,
    fc.array(nasty, { minLength: 1, maxLength: 3 }),
    fc.constantFrom('for', 'host', 'peer', 'scheme', 'all'),
  )
  .map(([facts, parts, where]) => {
    const text = parts.join('')
    return {
      ...facts,
      ...(where === 'host' || where === 'all' ? { host: `${facts.host ?? ''}${text}` } : {}),
      ...(where === 'scheme' || where === 'all' ? { scheme: text, prefix: text } : {}),
      ...(where === 'peer' || where === 'all' ? { peer: { address: text } } : {}),
      ...(where === 'for' || where === 'all'
        ? {
            headers: {
              'X-Forwarded-For': text,
              'X-Forwarded-Host': text,
              Forwarded: `${text}, for="${text}"`,
              'X-Real-IP': text,
            },
          }
        : {}),
    }
  })

/** What sets a colour in a terminal (ECMA-48 SGR). */
const SGR = new RegExp(`${String.fromCodePoint(0x1b)}\\[[0-9]*m`, 'g')

const width = fc.oneof(fc.constant(undefined), fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 60 }))

describe('explain', () => {
  it(
    'decides what resolveConnection decides, and tells each field with its verdict and each hop with its part',
    () => {
      fc.assert(
        fc.property(anyFacts, legalOptions, fc.boolean(), (facts, options, compiled) => {
          const given = compiled ? trustPolicy(options) : options
          const { info, fields, peer, hops } = explain(facts, given)
          const resolved = resolveConnection(facts, given)
          expect(withoutOriginal(info)).toStrictEqual(withoutOriginal(resolved))
          expect(info.original).toStrictEqual(resolved.original)

          expect(fields.map(({ field, verdict }) => [field, verdict])).toStrictEqual(
            FIELDS.map((field) => [field, info.verdicts[field]]),
          )
          expect(peer.trusted).toBe(info.trusted)
          for (const { reason } of [...fields, peer, ...hops]) expect(reason).not.toBe('')
          expect(hops.map(({ place }) => place)).toStrictEqual(hops.map((_, index) => index + 1))
          const roles = hops.map(({ role }) => role).join(' ')
          expect(roles).toMatch(/^(?:proxy ?)*(?:client ?)?(?:ended ?)?(?:unread ?)*$/)
          expect(roles.includes('client')).toBe(info.verdicts.for === 'trusted')
        }),
        runs,
      )
    },
    PROPERTY_TIMEOUT,
  )

  it(
    'prints as plain lines of the width asked, and as JSON, whatever was sent',
    () => {
      fc.assert(
        fc.property(fc.oneof(anyFacts, nastyFacts), legalOptions, width, (facts, options, columns) => {
          const explanation = explain(facts, options)
          const text = columns === undefined ? String(explanation) : explanation.toString({ width: columns })
          const most = Math.max(columns ?? 80, 40)
          for (const line of text.split('\n')) {
            if (UNPRINTABLE.test(line)) expect(line).not.toMatch(UNPRINTABLE)
            if (line.length > most) expect(line).toHaveLength(most)
          }
          // Colours are the only escape sequences there are, and all that they change but for blanks at the end.
          const coloured = explanation.toString({ color: true, ...(columns === undefined ? {} : { width: columns }) })
          expect(coloured.replaceAll(SGR, '').replaceAll(/ +$/gm, '')).toBe(text.replaceAll(/ +$/gm, ''))

          // All of the decision but the headers, which hold what nobody should paste.
          const { original, ...decided } = resolveConnection(facts, options)
          const { headers: _, ...shown } = original
          const parsed = JSON.parse(JSON.stringify(explanation)) as { info: unknown }
          expect(parsed.info).toStrictEqual(JSON.parse(JSON.stringify({ ...decided, original: shown })))
        }),
        runs,
      )
    },
    PROPERTY_TIMEOUT,
  )
})

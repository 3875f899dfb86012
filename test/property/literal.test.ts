/** Literal arguments: whatever was typed is read or refused, and what is read is what JavaScript itself would read. */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseAppSpec } from '../../src/server/app-spec.ts'
import { readLiterals } from '../../src/server/literal.ts'
import { ProxyFixError } from '../../src/trust/error.ts'
import { PROPERTY_TIMEOUT, PURE_RUNS } from './runs.ts'

/** Text that looks like arguments: made of what the grammar is made of. */
const nearly = fc
  .array(
    fc.constantFrom(
      ...'()[]{},:;=\'"\\`.*+-_ \t\n',
      ...'0 1 1.5 1e3 0x1f 9n true null True undefined a é \\u0041 \\x ... __proto__ process.exit(1) \u2028 \ud800'.split(
        ' ',
      ),
    ),
    { maxLength: 30 },
  )
  .map((parts) => parts.join(''))

it(
  'reads or refuses any text',
  () => {
    fc.assert(
      fc.property(fc.oneof(nearly, fc.string(), fc.string({ unit: 'binary' })), (text) => {
        const read = readLiterals(text)
        if ('reason' in read) expect(read.reason).toMatch(/./)
        else expect(Array.isArray(read.values)).toBe(true)
      }),
      { numRuns: PURE_RUNS },
    )
  },
  PROPERTY_TIMEOUT,
)

it(
  'takes any spec apart, or refuses it in a sentence',
  () => {
    fc.assert(
      fc.property(
        fc.oneof(
          nearly,
          nearly.map((text) => `app.js:createApp(${text}`),
          nearly.map((text) => `app.js:${text}`),
        ),
        (spec) => {
          try {
            expect(parseAppSpec(spec).path).not.toBe('')
          } catch (error) {
            expect(error).toBeInstanceOf(ProxyFixError)
            expect(error).toHaveProperty('code', 'ERR_PROXYFIX_APP')
            expect((error as ProxyFixError).message).toMatch(/\.$/)
          }
        },
      ),
      { numRuns: PURE_RUNS },
    )
  },
  PROPERTY_TIMEOUT,
)

it(
  'reads what JSON writes, as JSON reads it',
  () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 5 })), (values) => {
        const text = JSON.stringify(values)
        expect(readLiterals(text.slice(1, -1))).toStrictEqual({ values: JSON.parse(text) as unknown })
      }),
      { numRuns: PURE_RUNS },
    )
  },
  PROPERTY_TIMEOUT,
)

/** How long an answer is decides whether its connection can be kept: what is counted is what Node sends, for any text. */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { sizeOf } from '../../src/server/exact-response.ts'
import { PROPERTY_TIMEOUT, PURE_RUNS } from './runs.ts'

/** Around the length up to which a text is looked at rather than asked about. */
const ascii = fc.string({ unit: 'binary-ascii', maxLength: 70 })
const text = fc.oneof(
  ascii,
  fc.string({ unit: 'binary', maxLength: 70 }),
  fc.tuple(ascii, fc.constantFrom('\x7f', '\x80', 'é', '\u2028', '\ud800', '😀'), ascii).map((parts) => parts.join('')),
)
const encoding = fc.constantFrom(undefined, 'utf8', 'latin1', 'utf16le', 'hex', 'base64', 'ascii')

it(
  'counts the bytes that a text is sent as',
  () => {
    fc.assert(
      fc.property(text, encoding, (chunk, name) => {
        expect(sizeOf([chunk, name])).toBe(Buffer.byteLength(chunk, name))
        expect(sizeOf([chunk, () => undefined])).toBe(Buffer.byteLength(chunk))
      }),
      { numRuns: PURE_RUNS },
    )
  },
  PROPERTY_TIMEOUT,
)

/** What may stand in a header, character by character. */

import { describe, expect, it } from 'vitest'
import { isHeaderName, isHeaderValue } from '../../../src/trust/header-text.ts'

/** RFC 9110 §5.6.2. */
const TOKEN = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

describe('the name of a header', () => {
  it('holds the characters of a token, and no other of the first 256', () => {
    const allowed = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).filter((text) =>
      isHeaderName(text),
    )
    expect(allowed.toSorted().join('')).toBe([...TOKEN].toSorted().join(''))
  })

  it.each(['', 'a b', ' a', 'a ', 'a:', 'a\r\n', 'a\n', '\u212a', '\uff58', '\u017f', 'x\u0000', ':path'])(
    'is not %j',
    (text) => {
      expect(isHeaderName(text)).toBe(false)
    },
  )
})

describe('the value of a header', () => {
  it('holds the tab and all of Latin-1 but its controls below space and DEL', () => {
    const refused = Array.from({ length: 256 }, (_, code) => code).filter(
      (code) => !isHeaderValue(String.fromCharCode(code)),
    )
    expect(refused).toStrictEqual([...Array.from({ length: 32 }, (_, code) => code).filter((code) => code !== 9), 127])
  })

  it.each(['\u0100', '\u20ac', '\u{1f600}', '\ud800', 'a\r\nb', 'a\n', '\u010a', '\u2028'])('is not %j', (text) => {
    expect(isHeaderValue(text)).toBe(false)
  })

  it.each(['', ' ', 'a', 'caf\u00e9', 'a\tb', '"quoted"'])('may be %j', (text) => {
    expect(isHeaderValue(text)).toBe(true)
  })
})

/** What may be written as an argument, and what is said of what may not. */

import { describe, expect, it } from 'vitest'
import { readLiterals } from '../../../src/server/literal.ts'

describe('readLiterals', () => {
  it.each([
    { text: '', values: [] },
    { text: '  ', values: [] },
    { text: `'x'`, values: ['x'] },
    { text: `"it's", 'a "word"'`, values: ["it's", 'a "word"'] },
    { text: String.raw`'\n\t\\\'\x41\u00e9\u{1f600}\q'`, values: ["\n\t\\'Aé😀q"] },
    { text: '1, -1, +2, 0.5, .5, 1., 1e3, 0x1F, 0o17, 0b11', values: [1, -1, 2, 0.5, 0.5, 1, 1000, 31, 15, 3] },
    { text: 'true, false, null', values: [true, false, null] },
    { text: '[1, [2], ]', values: [[1, [2]]] },
    { text: `{ a: 1, 'b-c': [true], 2: null, }`, values: [{ a: 1, 'b-c': [true], 2: null }] },
    { text: `'a',`, values: ['a'] },
    { text: `'):('`, values: ['):('] },
  ])('reads $text', ({ text, values }) => {
    expect(readLiterals(text)).toStrictEqual({ values })
  })

  it('makes a member of __proto__, and no prototype', () => {
    const read = readLiterals('{ __proto__: { isAdmin: true } }')
    const [value] = 'values' in read ? (read.values as [object]) : [{}]
    expect(Object.keys(value)).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(value).not.toHaveProperty('isAdmin')
  })

  it.each([
    { text: 'foo', says: "'foo' is a name" },
    { text: 'undefined', says: "'undefined' is a name" },
    { text: 'process.exit()', says: "'process' is a name" },
    { text: '*[1]', says: 'spreads' },
    { text: '...[1]', says: 'spreads' },
    { text: '{ ...a }', says: 'spreads' },
    { text: '{ **a }', says: 'spreads' },
    { text: '`x`', says: 'template' },
    { text: '(1, 2)', says: 'write an array' },
    { text: 'True', says: 'write true' },
    { text: 'None', says: 'write null' },
    { text: '"x", n=2', says: '{ n: … }' },
    { text: '1 = 2', says: 'names an argument' },
    { text: '1 2', says: "'2' stands where a comma would" },
    { text: '1 + 1', says: "'+' stands where a comma would" },
    { text: ',', says: "',' begins no literal" },
    { text: '1,,2', says: "',' begins no literal" },
    { text: '-', says: "'-' begins no literal" },
    { text: '/x/', says: "'/' begins no literal" },
    { text: '007', says: "'007' is no number" },
    { text: '1_000', says: "'1_000' is no number" },
    { text: '10n', says: "'10n' is no number" },
    { text: '1.2.3', says: "'1.2.3' is no number" },
    { text: '0x', says: "'0x' is no number" },
    { text: '1e999', says: "'1e999' is greater" },
    { text: `'x`, says: 'does not end' },
    { text: `'x\\`, says: 'does not end' },
    { text: `'x\ny'`, says: 'does not end' },
    { text: String.raw`'\x4'`, says: 'two hexadecimal digits' },
    { text: String.raw`'\u{110000}'`, says: 'four hexadecimal digits' },
    { text: String.raw`'\0'`, says: 'no escape' },
    { text: '[1', says: 'a ] is missing' },
    { text: '[1 2]', says: 'a comma or ]' },
    { text: '{ a }', says: "'a' in an object needs a colon" },
    { text: '{ a: }', says: "'}' begins no literal" },
    { text: '{ a: 1', says: 'a } is missing' },
    { text: '{', says: 'a } is missing' },
    { text: '{ [a]: 1 }', says: "'[' begins no name of a member" },
    { text: '['.repeat(100_000), says: 'nested more than 64 levels' },
  ])('refuses $text', ({ text, says }) => {
    expect(readLiterals(text)).toEqual({ reason: expect.stringContaining(says) as string })
  })
})

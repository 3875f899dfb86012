/** Which value counts? A list is split at commas and at nothing else, and counted from the right (contract rule 1). */

import { describe, expect, it } from 'vitest'
import { countValues, dropBlanks, fromRight, skipBlanks, valuesFromRight, wholeValue } from '../../../src/trust/list.ts'

describe('fromRight', () => {
  it.each<[string, number, string | undefined]>([
    ['a', 1, 'a'],
    ['a', 2, undefined],
    ['a,b,c', 1, 'c'],
    ['a,b,c', 2, 'b'],
    ['a,b,c', 3, 'a'],
    ['a,b,c', 4, undefined],
    ['a, b ,\tc\t', 2, 'b'],
    ['a, b ,\tc\t', 1, 'c'],
    ['', 1, ''],
    ['', 2, undefined],
    [' \t', 1, ''],
    [',', 1, ''],
    [',', 2, ''],
    [',', 3, undefined],
    [',,', 3, ''],
    ['a,', 1, ''],
    ['a,', 2, 'a'],
    [',a', 1, 'a'],
    [',a', 2, ''],
    ['a, ,b', 2, ''],
    ['a,,b', 3, 'a'],
    ['"a,b"', 1, 'b"'],
    ['"a,b"', 2, '"a'],
    ['\\,a', 2, '\\'],
    ['a;b', 1, 'a;b'],
    ['a b', 1, 'a b'],
    ['a\n', 1, 'a\n'],
    ['\u00a0a', 1, '\u00a0a'],
    ['\u3000a', 1, '\u3000a'],
    ['a，b', 1, 'a，b'],
    ['a\0,b\0', 2, 'a\0'],
  ])('of %j, %i is %j', (list, count, value) => {
    expect(fromRight(list, count)).toBe(value)
  })

  it('reads nothing to the left of the value, so that its cost does not grow with what a client sends', () => {
    // A text that tells how far to the left it was searched.
    class Watched extends String {
      leftmost = Number.POSITIVE_INFINITY
      override lastIndexOf(search: string, position?: number): number {
        const found = super.lastIndexOf(search, position)
        this.leftmost = Math.min(this.leftmost, found)
        return found
      }
      override charCodeAt(index: number): number {
        this.leftmost = Math.min(this.leftmost, index)
        return super.charCodeAt(index)
      }
    }
    const watched = new Watched(`${'6.6.6.6,'.repeat(1000)}203.0.113.7,10.0.0.2`)
    // It has all that a string has, and typeof is not asked.
    expect(fromRight(watched as unknown as string, 2)).toBe('203.0.113.7')
    expect(watched.leftmost).toBe(7999)
  })
})

describe('a value that is long, or far from its comma', () => {
  it.each([0, 1, 45, 46, 47, 48, 49, 50, 95, 96, 97, 1000])('of %i characters is found', (length) => {
    const value = 'x'.repeat(length)
    expect(fromRight(`a,${value}`, 1)).toBe(value)
    expect(fromRight(`a,${value}`, 2)).toBe('a')
    expect(fromRight(`a,${value}`, 3)).toBeUndefined()
    expect(fromRight(value, 1)).toBe(value)
    expect(fromRight(value, 2)).toBeUndefined()
    expect(fromRight(`,${value}`, 1)).toBe(value)
    expect(fromRight(`a,${value},b`, 2)).toBe(value)
    expect(fromRight(`a,${' '.repeat(length)}b`, 1)).toBe('b')
    expect(valuesFromRight(`a,${value},b`, 9)).toStrictEqual(['b', value, 'a'])
  })
})

describe('valuesFromRight', () => {
  it.each<[string, number, string[]]>([
    ['a, b ,\tc', 9, ['c', 'b', 'a']],
    ['a, b, c', 3, ['c', 'b', 'a']],
    ['a, b, c', 2, ['c', 'b']],
    ['a, b, c', 1, ['c']],
    ['a, b, c', 0, []],
    ['', 9, ['']],
    [',', 9, ['', '']],
    [',a,', 9, ['', 'a', '']],
    ['a', Infinity, ['a']],
  ])('of %j, %d are %j', (list, most, values) => {
    expect(valuesFromRight(list, most)).toStrictEqual(values)
  })
})

describe('blanks', () => {
  it.each<[string, string]>([
    ['a', 'a'],
    [' \t a,b \t ', 'a,b'],
    [' \t', ''],
    ['', ''],
    ['a\t b', 'a\t b'],
    ['\u00a0a\n', '\u00a0a\n'],
  ])('are dropped round %j', (text, value) => {
    expect(wholeValue(text)).toBe(value)
  })

  it('are dropped within the part that is asked for, and no further', () => {
    expect([skipBlanks('a  b', 1, 2), skipBlanks('a  b', 1, 4), skipBlanks('  ', 0, 2)]).toStrictEqual([2, 3, 2])
    expect([dropBlanks('a  b', 2, 3), dropBlanks('a  b', 0, 3), dropBlanks('  ', 0, 2)]).toStrictEqual([2, 1, 0])
  })
})

describe('countValues', () => {
  it.each([
    ['', 1],
    ['a', 1],
    ['a,b', 2],
    [',', 2],
    ['a,,b,', 4],
  ])('of %j is %i', (list, values) => {
    expect(countValues(list)).toBe(values)
  })
})
